import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StreambackContext, StreambackModule, StreambackServer, type StreambackOptions } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import type { RedisServer } from '../support/redis';
import { report } from '../support/report';
import { describeWith } from '../support/servers';
import { countIds, startPlainRedis, VALUES } from './interop-setup';
import { PythonClient } from './python-process';

const events: unknown[] = [];
const stopped: unknown[] = [];

@Controller()
class AnsweringController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }

  @MessagePattern('count')
  *count(@Payload() { count }: { count: number }): Generator<{ id: number }> {
    for (let id = 0; id < count; id += 1) yield { id };
  }

  @MessagePattern('fail')
  *fail(@Payload() { after, how }: { after: number; how?: string }): Generator<number> {
    for (let n = 0; n < after; n += 1) yield n;
    throw how === 'rpc' ? new RpcException({ code: 7, reason: 'größe' }) : new Error('secret inner reason');
  }

  @MessagePattern('silent')
  silent(): void {}

  @MessagePattern('never')
  never(@Payload() id: unknown, @Ctx() context: StreambackContext): Promise<never> {
    context.signal.addEventListener('abort', () => stopped.push(id));
    return new Promise(() => {});
  }

  @MessagePattern('context')
  context(@Ctx() context: StreambackContext): unknown {
    return { sourceGroup: context.getSourceGroup(), key: context.getKey(), hasDeadline: context.getRemainingMs() !== Infinity };
  }

  @EventPattern('event')
  first(@Payload() data: unknown): void {
    events.push(['first', data]);
  }

  @EventPattern('event')
  second(@Payload() data: unknown): void {
    events.push(['second', data]);
  }
}

async function startNest(options: StreambackOptions): Promise<INestMicroservice> {
  @Module({ imports: [StreambackModule.forRoot(options)], controllers: [AnsweringController] })
  class AppModule {}
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    logger: false,
  });
  await app.listen();
  return app;
}

describeWith(['kafka', 'own-redis', 'python'], 'A Python client of a Nest server', ({ kafkaUrl, pythonPath }) => {
  // The second begins with the letters of the first: Python takes that for its own prefix, and we do not.
  const prefix = freshName('nest-server');
  const [group, otherGroup] = [freshName('nest'), freshName('nest-other')];
  const apps: INestMicroservice[] = [];
  let redisServer: RedisServer;
  let redis: Redis;
  let streams: string;
  let python: PythonClient;

  beforeAll(async () => {
    redisServer = await startPlainRedis();
    redis = new Redis(redisServer.url);
    streams = `main=${kafkaUrl}&feedback=${redisServer.url}&topics_prefix=${prefix}`;
    apps.push(await startNest({ group, streams, bigint: true, kafka: { partitions: 3 } }));
    python = await PythonClient.start(pythonPath, freshName('py-client'), streams);
  });
  afterAll(async () => {
    await python?.close();
    await Promise.all(apps.map((app) => app.close()));
    await redis?.quit();
    await redisServer?.close();
  });

  const read = (topic: string, value: unknown, more: object = {}): Promise<unknown> =>
    python.do({ do: 'read', topic, value, from_group: group, ...more });

  it('a call carries what JSON holds as it is', async () => {
    for (const value of VALUES) expect(await python.do({ do: 'stream', topic: 'echo', value, from_group: group })).toEqual([value]);
  });

  it('a stream of 10,000 comes whole and in order', async () => {
    const answers = await python.do<{ id: number }[]>({ do: 'stream', topic: 'count', value: { count: 10_000 }, from_group: group });
    const counts = countIds(
      answers.map(({ id }) => id),
      10_000,
    );
    report('Python client, stream', counts);
    expect(counts).toEqual({ sent: 10_000, lost: 0, doubled: 0, outOfOrder: 0 });
  });

  it('100 calls at once each get their own answer', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, id) => read('echo', { id }) as Promise<{ id: number }>));
    expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, id) => id));
  });

  it('frames have the fields and events that Python knows, and no others', async () => {
    // Redis keeps what nobody pops.
    const topic = await python.do<string>({ do: 'send', topic: 'count', value: { count: 2 }, flush: true });
    await eventually('the end is there', async () => (await redis.llen(topic)) === 3);
    expect((await redis.lrange(topic, 0, -1)).toReversed().map((frame) => JSON.parse(frame) as unknown)).toEqual([
      { value: { id: 0 }, event: 'response', source_group: group },
      { value: { id: 1 }, event: 'response', source_group: group },
      { event: 'response_end', error: null, source_group: group },
    ]);
    expect(await redis.pttl(topic)).toBeGreaterThan(290_000);
  });

  it('an error is text: after answers it is raised behind them', async () => {
    await expect(read('fail', { after: 0 })).rejects.toMatchObject({ name: 'FeedbackError', message: 'Internal server error' });
    await expect(read('fail', { after: 0, how: 'rpc' })).rejects.toMatchObject({
      name: 'FeedbackError',
      message: '{"code":7,"reason":"größe"}',
    });
    expect(await read('fail', { after: 2 })).toBe(0);
    await expect(python.do({ do: 'stream', topic: 'fail', value: { after: 2 }, from_group: group })).rejects.toMatchObject({
      name: 'FeedbackError',
    });
  });

  it('no answer is None', async () => {
    expect(await read('silent', {})).toBeNull();
    expect(await python.do({ do: 'stream', topic: 'silent', value: {}, from_group: group })).toEqual([]);
  });

  it("a timeout is Python's own; the handler goes on, as nobody tells it", async () => {
    const id = freshName('never');
    const startedAt = performance.now();
    await expect(read('never', id, { timeout: 1 })).rejects.toMatchObject({ name: 'FeedbackTimeout' });
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(stopped).not.toContain(id);
  });

  it('NaN is read as null, and integers beyond 2^53 keep their value with bigint', async () => {
    const expression = "{'nan': float('nan'), 'inf': [float('inf'), -float('inf')], 'text': 'NaN', 'big': 2 ** 60 + 1, 'n': 1.5}";
    const text = await python.text({ do: 'read', topic: 'echo', expression, from_group: group });
    expect(text).toBe('{"nan": null, "inf": [null, null], "text": "NaN", "big": 1152921504606846977, "n": 1.5}');
  });

  it("a sender's group and key are known; Python gives no deadline", async () => {
    expect(await read('context', {}, { key: 'k-7' })).toEqual({
      sourceGroup: expect.stringMatching(/^py-client\./),
      key: 'k-7',
      hasDeadline: false,
    });
    expect(await read('context', {})).toMatchObject({ key: null });
  });

  it("Python's one-way send, which names a feedback topic, runs all event handlers and leaves one end", async () => {
    const id = freshName('event');
    const topic = await python.do<string>({ do: 'send', topic: 'event', value: { id }, flush: true });
    await eventually('both have run', () => events.length >= 2);
    expect(events).toEqual([
      ['first', { id }],
      ['second', { id }],
    ]);
    await eventually('the end is there', async () => (await redis.llen(topic)) > 0);
    expect((await redis.lrange(topic, 0, -1)).map((frame) => JSON.parse(frame) as unknown)).toEqual([
      { event: 'response_end', error: null, source_group: group },
    ]);
    expect(await redis.pttl(topic)).toBeGreaterThan(0);
  });

  it('from_group chooses among two groups', async () => {
    apps.push(await startNest({ group: otherGroup, streams, kafka: { fromBeginning: false } }));
    for (const fromGroup of [group, otherGroup]) {
      const payloads = await python.do<{ source_group: string; value: { id: number } }[]>({
        do: 'payloads',
        topic: 'count',
        value: { count: 20 },
        from_group: fromGroup,
      });
      expect([...new Set(payloads.map(({ source_group }) => source_group))]).toEqual([fromGroup]);
      expect(
        countIds(
          payloads.map(({ value }) => value.id),
          20,
        ),
      ).toEqual({ sent: 20, lost: 0, doubled: 0, outOfOrder: 0 });
    }
  });
});
