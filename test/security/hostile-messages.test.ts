import { randomBytes } from 'node:crypto';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { expect, it } from 'vitest';
import { StreambackModule, StreambackServer } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startRedis } from '../support/redis';
import { describeWith } from '../support/servers';

describeWith(['kafka', 'own-redis'], 'hostile messages', ({ kafkaUrl }) => {
  it('M6: the unreadable go to the dead letters, the rest is handled, and no foreign key is ever written', async () => {
    const redis = await startRedis();
    const topic = freshName('hostile');
    const handled: unknown[] = [];
    @Controller()
    class Target {
      @EventPattern<string>(topic)
      take(@Payload() data: { id?: number } | null): void {
        handled.push(data?.id ?? null);
      }
    }
    @Module({
      imports: [StreambackModule.forRoot({ group: topic, streams: `main=${kafkaUrl}&feedback=${redis.url}`, kafka: { partitions: 1 } })],
      controllers: [Target],
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();

    const envelope = (fields: object): string =>
      JSON.stringify({ value: {}, event: 'message', feedback_topic: null, source_group: 'x', ...fields });
    const unreadable: (Buffer | string)[] = [
      '',
      '{',
      'plain text',
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{}')]),
      randomBytes(100_000),
      envelope({ feedback_topic: 'session:admin' }),
      envelope({ feedback_topic: 'streamback_feedback_' }),
      envelope({ feedback_topic: 'streamback_feedback_a\nb' }),
      envelope({ feedback_topic: `streamback_feedback_${'x'.repeat(129)}` }),
      envelope({ feedback_topic: { toString: 'x' } }),
      envelope({ inbox: 'users', id: 'a', feedback_topic: 'streamback_feedback_a' }),
      envelope({ inbox: 7 }),
    ];
    const readable: (string | null)[] = [
      null,
      '[]',
      '1e400',
      `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
      '{"__proto__":{"polluted":true},"constructor":1,"constructor":2}',
      '"\\ud800"',
      envelope({ id: 'x'.repeat(1_000), value: { id: 7 } }),
      envelope({ deadline: 'never', timeout_ms: -1, credit: 1e9, value: { id: 8 } }),
      envelope({ inbox: 'streamback_inbox_nobody', id: 'b', feedback_topic: 'streamback_feedback_b', value: { id: 9 } }),
      envelope({ feedback_topic: 'streamback_feedback_python', value: { id: 10 } }),
    ];
    const kafka = new Kafka({ brokers: new URL(kafkaUrl).host.split(','), logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    const messages = [...unreadable, ...readable, envelope({ value: { id: 11 } })].map((value) => ({
      value,
      headers: { __proto__: 'x', constructor: 'y' },
    }));
    await producer.send({ topic, messages });
    await producer.disconnect();

    await eventually('the last is handled', () => handled.includes(11));
    const admin = kafka.admin();
    await admin.connect();
    await eventually(
      'the dead letters are there',
      async () => Number((await admin.fetchTopicOffsets(`${topic}.dlt`))[0]?.high ?? 0) >= unreadable.length,
    );
    const letters = Number((await admin.fetchTopicOffsets(`${topic}.dlt`))[0]!.high);
    await admin.disconnect();
    const probe = new Redis(redis.port, '127.0.0.1');
    const keys = (await probe.keys('*')).filter((key) => !/^streamback_(inbox|lease)_[0-9a-f-]{36}$/.test(key));
    const ttl = await probe.pttl('streamback_feedback_python');
    await probe.quit();
    console.log(
      `hostile messages: ${unreadable.length} unreadable, ${letters} dead letters, ${handled.length} handled, keys left: ${keys.join(' ')}`,
    );
    expect(letters).toBe(unreadable.length);
    expect(handled).toHaveLength(readable.length + 1);
    expect(keys).toEqual(['streamback_feedback_python']);
    expect(ttl).toBeGreaterThan(0);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    await app.close();
    await redis.close();
  });
});
