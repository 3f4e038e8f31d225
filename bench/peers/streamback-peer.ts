import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { StreambackClient, StreambackModule, StreambackServer } from '../../lib';
import { handled } from '../handled';
import type { Item, Message, Peer, Venue } from '../peer';
import { startNestClient } from './nest-client';

/** Decorators take the round's topics. */
function serverModule({ group, topics }: Venue, streams: string): new () => object {
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
    *onStream(@Payload() message: Message): Generator<Item> {
      handled.note(message);
      yield* handled.itemsOf(message);
    }
  }

  @Module({ imports: [StreambackModule.forRoot({ group, streams })], controllers: [BenchController] })
  class BenchModule {}

  return BenchModule;
}

/** This library with its default options, on the streams that it is given. */
export function streambackPeer(streamsOf: (venue: Venue) => string): Peer {
  return {
    async startServer(venue) {
      const app = await NestFactory.createMicroservice(serverModule(venue, streamsOf(venue)), {
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
