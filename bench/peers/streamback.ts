import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { StreambackClient, StreambackModule, StreambackServer } from '../../lib';
import { handled } from '../handled';
import type { Item, Message, Peer, Venue } from '../peer';
import { nestClient } from './nest-client';

const streams = ({ brokers, redisUrl }: Venue): string => `main=kafka://${brokers.join(',')}&feedback=${redisUrl}`;

/** Decorators take the round's topics. */
function serverModule(venue: Venue): new () => object {
  const { events, calls, streams: streamed } = venue.topics;

  @Controller()
  class BenchController {
    @EventPattern<string>(events)
    onEvent(@Payload() message: Message): void {
      handled.note(message);
    }

    @MessagePattern(calls)
    onCall(@Payload() message: Message): Message {
      handled.note(message);
      return message;
    }

    @MessagePattern(streamed)
    *onStream(@Payload() message: Message): Generator<Item> {
      handled.note(message);
      yield* handled.itemsOf(message);
    }
  }

  @Module({ imports: [StreambackModule.forRoot({ group: venue.group, streams: streams(venue) })], controllers: [BenchController] })
  class BenchModule {}

  return BenchModule;
}

/** This library with its default options. */
export const peer: Peer = {
  async startServer(venue) {
    const app = await NestFactory.createMicroservice(serverModule(venue), {
      logger: ['warn', 'error'],
      useFactory: (strategy: StreambackServer) => ({ strategy }),
      inject: [StreambackServer],
    });
    await app.listen();
    return () => app.close();
  },

  async startClient(venue) {
    const client = new StreambackClient({ group: 'bench-client', streams: streams(venue) });
    await client.connect();
    return { ...nestClient(client, venue.topics), read: (message) => client.open<Item>(venue.topics.streams, message) };
  },
};
