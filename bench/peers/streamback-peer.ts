import { NestFactory } from '@nestjs/core';
import { StreambackClient, StreambackModule, StreambackServer } from '../../lib';
import type { Item, Peer, Venue } from '../peer';
import { benchModule } from './bench-module';
import { startNestClient } from './nest-client';

/** This library with its default options, on the streams that it is given. */
export function streambackPeer(streamsOf: (venue: Venue) => string): Peer {
  return {
    async startServer(venue) {
      const { group, topics } = venue;
      const imports = [StreambackModule.forRoot({ group, streams: streamsOf(venue) })];
      const module = benchModule(topics, (items) => items, imports);
      const app = await NestFactory.createMicroservice(module, {
        logger: ['warn', 'error'],
        useFactory: (strategy: StreambackServer) => ({ strategy }),
        inject: [StreambackServer],
      });
      await app.listen();
      return () => app.close();
    },

    async startClient(venue) {
      const { topics } = venue;
      const client = new StreambackClient({ group: 'bench-client', streams: streamsOf(venue) });
      const started = await startNestClient(client, topics);
      return { ...started, read: (message) => client.open<Item>(topics.streams, message) };
    },
  };
}
