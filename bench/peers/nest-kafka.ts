import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientKafka, EventPattern, MessagePattern, Payload, Transport, type MicroserviceOptions } from '@nestjs/microservices';
import { logLevel } from 'kafkajs';
import { from, type Observable } from 'rxjs';
import { handled } from '../handled';
import type { Item, Message, Peer, Venue } from '../peer';
import { nestClient } from './nest-client';

const clientOptions = ({ brokers }: Venue) => ({ brokers: [...brokers], logLevel: logLevel.NOTHING });

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

/** Nest's own Kafka transport with its defaults. */
export const peer: Peer = {
  async startServer(venue) {
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(serverModule(venue), {
      logger: ['warn', 'error'],
      transport: Transport.KAFKA,
      options: { client: clientOptions(venue), consumer: { groupId: venue.group } },
    });
    await app.listen();
    return () => app.close();
  },

  async startClient(venue) {
    const client = new ClientKafka({ client: clientOptions(venue), consumer: { groupId: venue.group } });
    client.subscribeToResponseOf(venue.topics.calls);
    client.subscribeToResponseOf(venue.topics.streams);
    await client.connect();
    return nestClient(client, venue.topics);
  },
};
