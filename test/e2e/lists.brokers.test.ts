import { Kafka, logLevel } from 'kafkajs';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { expect, it } from 'vitest';
import { StreambackModule, StreambackServer } from '../../lib';
import { createTopics } from '../support/create-topics';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';
import { listsSuite } from './suites/lists.suite';

describeWithBrokers('over Kafka and Redis', ({ streams, kafkaUrl }) => {
  listsSuite('feedback lists', () => streams);

  it('GROUP_CONFLICT: a group whose members speak another protocol is refused at start', async () => {
    const [group, topic] = [freshName('conflict'), freshName('conflict')];
    @Controller()
    class EchoController {
      @MessagePattern(topic)
      echo(data: unknown): unknown {
        return data;
      }
    }
    @Module({ imports: [StreambackModule.forRoot({ group, streams })], controllers: [EchoController] })
    class AppModule {}
    const kafka = new Kafka({ brokers: kafkaUrl.slice('kafka://'.length).split(','), logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    await createTopics(admin, { topic });
    await admin.disconnect();
    // kafkajs by itself speaks RoundRobinAssigner alone.
    const other = kafka.consumer({ groupId: group });
    const joined = new Promise((resolve) => other.on(other.events.GROUP_JOIN, resolve));
    await other.connect();
    await other.subscribe({ topic });
    await other.run({ eachMessage: async () => {} });
    await joined;
    const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    try {
      await expect(app.startAllMicroservices()).rejects.toMatchObject({
        code: 'GROUP_CONFLICT',
        retryable: false,
        remedy: expect.stringContaining('range'),
      });
    } finally {
      await app.close();
      await other.disconnect();
    }
  });
});
