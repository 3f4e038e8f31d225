import { Controller, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientKafka,
  Ctx,
  type CustomStrategy,
  EventPattern,
  type KafkaOptions,
  MessagePattern,
  Payload,
  Transport,
} from '@nestjs/microservices';
import { Kafka, logLevel } from 'kafkajs';
import { firstValueFrom, interval, lastValueFrom, map, Observable, take, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StreambackClient, StreambackModule, StreambackServer } from '../../lib';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';

/** What the README says of Nest's own Kafka transport, side by side with ours, on the same Kafka: the same controller, two transports. */
const run = freshName('beside').replace('.', '-');
const patterns = { generator: `${run}.generator`, endless: `${run}.endless`, raw: `${run}.raw` };
const state = { emitted: 0, stopped: 0, received: [] as unknown[] };

@Controller()
class SameController {
  @MessagePattern(patterns.generator)
  async *generator(): AsyncGenerator<number> {
    yield 1;
    yield 2;
    yield 3;
  }

  @MessagePattern(patterns.endless)
  endless(): Observable<{ n: number }> {
    return new Observable((subscriber) => {
      const ticking = interval(10)
        .pipe(map((n) => ({ n })))
        .subscribe((value) => {
          state.emitted += 1;
          subscriber.next(value);
        });
      return () => {
        state.stopped += 1;
        ticking.unsubscribe();
      };
    });
  }

  @EventPattern<string>(patterns.raw)
  raw(@Payload() data: unknown, @Ctx() _context: unknown): void {
    state.received.push(data);
  }
}

@Module({ controllers: [SameController] })
class PlainModule {}

describeWithBrokers("beside Nest's Kafka transport", ({ kafkaUrl, streams }) => {
  const brokers = new URL(kafkaUrl).host.split(',');
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });

  beforeAll(async () => {
    const admin = kafka.admin();
    await admin.connect();
    const topics = Object.values(patterns).flatMap((topic) => [topic, `${topic}.reply`, `${topic}.dlt`]);
    await createTopics(admin, ...topics.map((topic) => ({ topic, numPartitions: 1 })));
    await admin.disconnect();
  });

  const publishRaw = async (...values: string[]): Promise<void> => {
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: patterns.raw, messages: values.map((value) => ({ value })) });
    await producer.disconnect();
  };

  describe('theirs', () => {
    let app: INestApplication;
    let client: ClientKafka;
    const options = { client: { brokers, logLevel: logLevel.NOTHING }, subscribe: { fromBeginning: true } };

    beforeAll(async () => {
      app = await NestFactory.create(PlainModule, { logger: false });
      app.connectMicroservice<KafkaOptions>({
        transport: Transport.KAFKA,
        options: { ...options, consumer: { groupId: `${run}-theirs` } },
      });
      await app.startAllMicroservices();
      client = new ClientKafka({ ...options, consumer: { groupId: `${run}-theirs-client` } });
      for (const pattern of [patterns.generator, patterns.endless]) client.subscribeToResponseOf(pattern);
      await client.connect();
    });
    afterAll(async () => {
      await client?.close();
      await app?.close();
    });

    it('an async generator arrives as one object', async () => {
      expect(await lastValueFrom(client.send(patterns.generator, {}).pipe(toArray()))).not.toEqual([1, 2, 3]);
    });

    it('a client needs a reply topic, subscribed beforehand', async () => {
      await expect(lastValueFrom(client.send(`${run}.other`, {}))).rejects.toThrow(/reply/);
    });

    it('unsubscribing leaves the handler running', async () => {
      const { stopped } = state;
      await firstValueFrom(client.send(patterns.endless, {}).pipe(take(1)));
      const { emitted } = state;
      await eventually('the handler goes on', () => state.emitted >= emitted + 50);
      expect(state.stopped).toBe(stopped);
    });

    it('an unreadable message is handed to the handler as text', async () => {
      await publishRaw('{"not json');
      await eventually('the message is handled', () => state.received.length > 0);
      expect(state.received.splice(0)).toEqual(['{"not json']);
    });
  });

  describe('ours', () => {
    let app: INestApplication;
    let client: StreambackClient;

    beforeAll(async () => {
      state.received = [];
      @Module({
        imports: [StreambackModule.forRoot({ group: `${run}-ours`, streams, kafka: { fromBeginning: false } })],
        controllers: [SameController],
      })
      class OurModule {}
      app = await NestFactory.create(OurModule, { logger: false });
      app.connectMicroservice<CustomStrategy>({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
      client = app.get(StreambackClient);
    });
    afterAll(async () => {
      await app?.close();
    });

    it("an async generator's values are answers", async () => {
      expect(await lastValueFrom(client.send(patterns.generator, {}).pipe(toArray()))).toEqual([1, 2, 3]);
    });

    it('unsubscribing stops the handler', async () => {
      const { stopped } = state;
      await firstValueFrom(client.send(patterns.endless, {}).pipe(take(1)));
      await eventually('the handler is stopped', () => state.stopped === stopped + 1);
    });

    it('M6: an unreadable message goes to the dead letters with its bytes, and the rest goes on', async () => {
      const letters: { value: string; code: string | undefined }[] = [];
      const consumer = kafka.consumer({ groupId: freshName('letters') });
      await consumer.connect();
      await consumer.subscribe({ topic: `${patterns.raw}.dlt`, fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ message }) =>
          void letters.push({ value: String(message.value), code: message.headers?.['streamback-code']?.toString() }),
      });
      await publishRaw('{"not json', '{"fine":true}');
      await eventually('both have gone their way', () => letters.length === 1 && state.received.length === 1);
      await consumer.disconnect();
      expect(letters).toEqual([{ value: '{"not json', code: 'MALFORMED_MESSAGE' }]);
      expect(state.received).toEqual([{ fine: true }]);
    });

    it('a client makes no topics of its own', async () => {
      const admin = kafka.admin();
      await admin.connect();
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(run));
      await admin.disconnect();
      expect(topics.sort()).toEqual(
        Object.values(patterns)
          .flatMap((topic) => [topic, `${topic}.dlt`, `${topic}.reply`])
          .sort(),
      );
    });
  });
});
