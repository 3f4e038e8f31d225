import { randomBytes } from 'node:crypto';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern } from '@nestjs/microservices';
import type { Message } from 'kafkajs';
import { expect, it } from 'vitest';
import { listener, type StreambackContext, StreambackModule, StreambackServer } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWith } from '../support/servers';
import { FULL_SIZE } from './kafka-load';
import { headerBytes, publishRaw, rawKafka, readRaw } from './raw-kafka';

const MESSAGES = FULL_SIZE ? 1_000 : 50;
const RETRIES = 3;

describeWith(['kafka'], 'R6 a handler that throws every time', ({ kafkaUrl }) => {
  it(`${MESSAGES} messages: ${RETRIES + 1} attempts each, then a dead letter with the same bytes`, { timeout: 300_000 }, async () => {
    const topic = freshName('failing');
    const attempts = new Map<string, number[]>();
    @Controller()
    class Failing {
      @EventPattern<string>(topic, listener({ retry: { times: RETRIES, delayMs: 20, backoff: 1.5 } }))
      fail(_data: unknown, @Ctx() context: StreambackContext): never {
        const { value } = context.getMessage();
        const id = value!.toString('hex');
        attempts.set(id, [...(attempts.get(id) ?? []), context.getAttempt()]);
        throw new Error('every time');
      }
    }
    @Module({
      imports: [StreambackModule.forRoot({ group: topic, streams: `main=${kafkaUrl}`, kafka: { partitions: 3 } })],
      controllers: [Failing],
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();

    // Raw messages of another program, with what a broker allows: binary and missing keys, names twice, empty and binary values.
    const sent = Array.from({ length: MESSAGES }, (_, n): Message & { key: Buffer | null; value: Buffer } => ({
      key: n % 5 === 0 ? null : n % 5 === 1 ? Buffer.alloc(0) : randomBytes(1 + (n % 20)),
      value: Buffer.from(JSON.stringify({ id: n, padding: randomBytes(n % 300).toString('base64') })),
      headers: {
        id: String(n),
        binary: randomBytes(n % 50),
        twice: [Buffer.from(`first of ${n}`), randomBytes(3)],
        'streamback-message': 'not ours: replaced',
        ...(n % 7 === 0 ? { empty: Buffer.alloc(0), constructor: 'x' } : {}),
      },
    }));
    await publishRaw(kafkaUrl, topic, sent);
    const letters = await readRaw(kafkaUrl, `${topic}.dlt`, MESSAGES, 240_000);

    const originals = new Map(sent.map((message) => [message.value.toString('hex'), message]));
    const keys = (key: Buffer | null): string => (key === null ? 'null' : key.toString('hex'));
    const ours = (name: string): boolean => name.startsWith('streamback-');
    let [different, wrongFacts] = [0, 0];
    for (const { key, value, headers } of letters) {
      const original = originals.get(value!.toString('hex'));
      const same =
        original &&
        keys(original.key) === keys(key) &&
        JSON.stringify(headerBytes(original.headers!, ours)) === JSON.stringify(headerBytes(headers, ours));
      if (!same) different += 1;
      const told = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)]));
      const right =
        told['streamback-code'] === 'HANDLER_FAILED' &&
        told['streamback-attempts'] === String(RETRIES + 1) &&
        told['streamback-group'] === topic &&
        told['streamback-topic'] === topic &&
        told['streamback-message']!.includes('every time') &&
        Date.parse(told['streamback-first-at']!) <= Date.parse(told['streamback-last-at']!);
      if (!right) wrongFacts += 1;
    }
    const exact = [...attempts.values()].filter((each) => each.join() === '1,2,3,4').length;
    const distinct = new Set(letters.map(({ value }) => value!.toString('hex'))).size;
    console.info(
      `R6: ${MESSAGES} messages, ${exact} with exactly ${RETRIES + 1} attempts, ${letters.length} dead letters of ${distinct} messages, ` +
        `${different} with other bytes, key or headers, ${wrongFacts} with wrong facts`,
    );
    expect([exact, letters.length, distinct, different, wrongFacts]).toEqual([MESSAGES, MESSAGES, MESSAGES, 0, 0]);
    const admin = rawKafka(kafkaUrl).admin();
    await admin.connect();
    await eventually('all are committed', async () => {
      const [committed] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
      return committed!.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0) === MESSAGES;
    });
    await admin.disconnect();
    await app.close();
  });
});
