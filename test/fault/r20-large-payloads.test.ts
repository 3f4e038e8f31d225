import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { lastValueFrom } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StreambackClient, StreambackPublishError, type StreambackOptions } from '../../lib';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { startRedis, type RedisServer } from '../support/redis';
import { describeWith } from '../support/servers';
import { startService, type NestService } from './nest-app';

const SIZES_MB = [1, 2, 4, 8, 16, 32, 64];
const MB = 1_000_000;
/** Beside the text, what its JSON and envelope take. */
const ROOM = 1_000;

@Controller()
class EchoController {
  @MessagePattern('echo')
  echo(@Payload() text: string): string {
    return text;
  }

  @MessagePattern('make')
  make(@Payload() bytes: number): string {
    return 'x'.repeat(bytes);
  }
}

describeWith(['own-kafka', 'own-redis'], 'R20 large requests and answers', () => {
  let kafka: KafkaServer;
  let redis: RedisServer;
  let probe: Redis;
  const closers: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    kafka = await startKafka({ config: { 'message.max.bytes': 70 * MB } });
    redis = await startRedis();
    probe = new Redis(redis.port, '127.0.0.1');
  }, 120_000);
  afterAll(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
    probe.disconnect();
    await redis.close();
    await kafka.stop();
  });

  async function apps(options: Partial<StreambackOptions>): Promise<{ group: string; client: StreambackClient; service: NestService }> {
    const group = freshName('large').replace('.', '-');
    const common = { topicsPrefix: group, streams: `main=${kafka.url}&feedback=${redis.url}`, ...options };
    const service = await startService({ group, ...common }, EchoController);
    const client = new StreambackClient({ group: 'reader', ...common });
    closers.push(
      () => service.close(),
      () => client.close(),
    );
    return { group, client, service };
  }
  const failureOf = (work: Promise<unknown>): Promise<{ code?: string; message?: string }> =>
    work.then(
      () => ({}),
      (error: { code?: string; message?: string }) => error,
    );
  /** The next offset of each of a topic's partitions. */
  async function offsets(topic: string): Promise<number> {
    const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const found = await admin.fetchTopicOffsets(topic);
    await admin.disconnect();
    return found.reduce((sum, { high }) => sum + Number(high), 0);
  }
  async function bytesInto(): Promise<number> {
    return Number(/total_net_input_bytes:(\d+)/.exec(await probe.info('stats'))![1]);
  }

  describe('with limits raised on both sides', () => {
    const limit = 64 * MB + ROOM;
    let client: StreambackClient;
    beforeAll(async () => {
      ({ client } = await apps({ maxMessageBytes: limit, maxAnswerBytes: limit, publishTimeoutMs: 60_000 }));
    }, 60_000);

    it.each(SIZES_MB)('%i MB go there and come back whole', { timeout: 120_000 }, async (size) => {
      const text = String(size).padStart(8, '0') + 'x'.repeat(size * MB - 8);
      const startedAt = performance.now();
      const echoed = await lastValueFrom(client.send<string>('echo', text));
      console.log(`R20: ${size} MB sent and answered whole in ${Math.round(performance.now() - startedAt)} ms`);
      expect(echoed.length).toBe(text.length);
      expect(echoed === text).toBe(true);
    });
  });

  describe('with the default limits', () => {
    let client: StreambackClient;
    let group: string;
    beforeAll(async () => {
      ({ client, group } = await apps({}));
      expect(await lastValueFrom(client.send('echo', 'small'))).toBe('small');
    }, 60_000);

    it.each(SIZES_MB)('a request of %i MB is refused, naming the limit, and nothing is written', { timeout: 60_000 }, async (size) => {
      const topic = `${group}.echo`;
      const before = await offsets(topic);
      const failures = [
        await failureOf(lastValueFrom(client.send('echo', 'x'.repeat(size * MB)))),
        await failureOf(lastValueFrom(client.emit('echo', 'x'.repeat(size * MB)))),
      ];
      const written = (await offsets(topic)) - before;
      console.log(`R20: a request and an event of ${size} MB: ${failures.map(({ code }) => code).join()}, ${written} messages written`);
      for (const failure of failures) {
        expect(failure).toBeInstanceOf(StreambackPublishError);
        expect(failure).toMatchObject({ code: 'TOO_LARGE', message: expect.stringContaining('maxMessageBytes allows 1000000') });
      }
      expect(written).toBe(0);
    });

    it.each(SIZES_MB)('an answer of %i MB is sent whole up to 16 MB, and refused beyond', { timeout: 60_000 }, async (size) => {
      // The quotes of its JSON take two.
      const bytes = size * MB - 2;
      const before = await bytesInto();
      if (size <= 16) {
        expect(await lastValueFrom(client.send<string>('make', bytes))).toHaveLength(bytes);
        return;
      }
      const failure = await failureOf(lastValueFrom(client.send('make', bytes)));
      const written = (await bytesInto()) - before;
      console.log(`R20: an answer of ${size} MB: ${failure.code}, ${written} bytes written to Redis`);
      expect(failure).toBeInstanceOf(StreambackPublishError);
      expect(failure).toMatchObject({ code: 'TOO_LARGE', message: expect.stringContaining('maxAnswerBytes allows 16000000') });
      expect(written).toBeLessThan(100_000);
    });
  });

  it('what only the broker refuses is typed, too, and is not written', { timeout: 60_000 }, async () => {
    const { client, group } = await apps({ maxMessageBytes: 100 * MB, publishTimeoutMs: 30_000 });
    expect(await lastValueFrom(client.send('echo', 'small'))).toBe('small');
    const before = await offsets(`${group}.echo`);
    const failure = await failureOf(lastValueFrom(client.send('echo', 'x'.repeat(72 * MB))));
    expect(failure).toMatchObject({ code: 'TOO_LARGE', remedy: expect.stringContaining('message.max.bytes') });
    expect((await offsets(`${group}.echo`)) - before).toBe(0);
    expect(await lastValueFrom(client.send('echo', 'after'))).toBe('after');
  });
});
