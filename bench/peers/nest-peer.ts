import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { from } from 'rxjs';
import type { Peer, Venue } from '../peer';
import { benchModule } from './bench-module';
import { startNestClient, type NestClient } from './nest-client';

/** A transport of Nest's own with its defaults. */
export function nestPeer(serverOptions: (venue: Venue) => MicroserviceOptions, clientOf: (venue: Venue) => NestClient): Peer {
  return {
    async startServer(venue) {
      const app = await NestFactory.createMicroservice<MicroserviceOptions>(benchModule(venue.topics, from), {
        logger: ['warn', 'error'],
        ...serverOptions(venue),
      });
      await app.listen();
      return () => app.close();
    },

    startClient: (venue) => startNestClient(clientOf(venue), venue.topics),
  };
}
