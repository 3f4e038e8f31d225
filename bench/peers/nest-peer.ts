import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload, type MicroserviceOptions } from '@nestjs/microservices';
import { from, type Observable } from 'rxjs';
import { handled } from '../handled';
import type { Item, Message, Peer, Venue } from '../peer';
import { startNestClient, type NestClient } from './nest-client';

/** Decorators take the round's topics. */
function serverModule({ topics }: Venue): new () => object {
  @Controller()
  class BenchController {
    @EventPattern<string>(topics.events)
    onEvent(@Payload() message: Message): void {
      handled.note(message);
    }

    @MessagePattern(topics.calls)
    onCall(@Payload() message: Message): Message {
      handled.note(message);
      return message;
    }

    @MessagePattern(topics.streams)
    onStream(@Payload() message: Message): Observable<Item> {
      handled.note(message);
      return from(handled.itemsOf(message));
    }
  }

  @Module({ controllers: [BenchController] })
  class BenchModule {}

  return BenchModule;
}

/** A transport of Nest's own with its defaults. */
export function nestPeer(serverOptions: (venue: Venue) => MicroserviceOptions, clientOf: (venue: Venue) => NestClient): Peer {
  return {
    async startServer(venue) {
      const app = await NestFactory.createMicroservice<MicroserviceOptions>(serverModule(venue), {
        logger: ['warn', 'error'],
        ...serverOptions(venue),
      });
      await app.listen();
      return () => app.close();
    },

    startClient: (venue) => startNestClient(clientOf(venue), venue.topics),
  };
}
