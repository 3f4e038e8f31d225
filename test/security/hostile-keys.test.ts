import { randomInt } from 'node:crypto';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { StreambackModule, StreambackServer } from '../../lib';
import { publishRaw, readRaw } from '../fault/raw-kafka';
import { freshName } from '../support/fresh-name';
import { Random } from '../support/random';
import { startRedis } from '../support/redis';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';

const KEYS = FULL_SIZE ? 100_000 : 2_000;
const SEED = Number(process.env.STREAMBACK_TEST_SEED ?? randomInt(2 ** 31));
/** So many of the named keys exist: a write that refuses to make a key would reach them. */
const VICTIMS = 500;

const FEEDBACK = 'streamback_feedback_';
const INBOX = 'streamback_inbox_';
const LETTERS = 'abcXYZ019._-';
/** None of them may stand in a key that is written to. */
const FOREIGN = [' ', '\n', '\r\n', '\0', '/', ':', '{', '}', '*', '?', '[', '\\', 'é', 'ﬀ', '\u202e', '\ud800', '💣'];

/** A key that a message must not have written to, and that is close to one that it may. */
function hostileKey(random: Random, prefix: string): string {
  const tail = (length: number): string => Array.from({ length }, () => LETTERS[random.below(LETTERS.length)]).join('');
  const own = tail(1 + random.below(20));
  const at = random.below(own.length + 1);
  const shapes: readonly (() => string)[] = [
    () => `${prefix}${own.slice(0, at)}${random.pick(FOREIGN)}${own.slice(at)}`,
    () => `${random.pick(FOREIGN)}${prefix}${own}`,
    () => `${prefix}${own}${random.pick(FOREIGN)}`,
    () => prefix + tail(129 + random.below(1_000)),
    () => prefix,
    () => prefix.slice(0, random.below(prefix.length - 1)) + own,
    () => prefix.toUpperCase() + own,
    () => prefix.replaceAll('_', random.pick(['-', '.', ':', ''])) + own,
    () => `${own}${prefix}${own}`,
    // Our own other keys, and somebody's.
    () => random.pick(['streamback_lease_', 'streamback_cancel_', 'streamback_schedule_', 'session:', 'bull:jobs:', '']) + own,
    // One kind in the place of the other.
    () => (prefix === FEEDBACK ? INBOX : FEEDBACK) + own,
  ];
  return random.pick(shapes)();
}

describeWith(['kafka', 'own-redis'], 'hostile feedback keys', ({ kafkaUrl }) => {
  it(`${KEYS} requests that name keys which are not ours: none is written to`, { timeout: 600_000 }, async () => {
    console.info(`hostile keys: STREAMBACK_TEST_SEED=${SEED}`);
    const random = new Random(SEED);
    const redis = await startRedis();
    const topic = freshName('hostile-keys');
    let handled = 0;
    @Controller()
    class Target {
      @MessagePattern(topic)
      answer(): string {
        handled += 1;
        return 'written';
      }
    }
    @Module({
      imports: [StreambackModule.forRoot({ group: topic, streams: `main=${kafkaUrl}&feedback=${redis.url}`, kafka: { partitions: 4 } })],
      controllers: [Target],
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();

    const named: string[] = [];
    const messages = Array.from({ length: KEYS }, (_each, n) => {
      const envelope: Record<string, unknown> = {
        value: n,
        event: 'message',
        source_group: 'x',
        id: `id-${n}`,
        feedback_topic: `${FEEDBACK}${n}`,
      };
      const field = random.pick(['feedback_topic', 'inbox']);
      const key = random.chance(0.05)
        ? random.pick([7, true, [FEEDBACK], { toString: `${FEEDBACK}a` }])
        : hostileKey(random, field === 'inbox' ? INBOX : FEEDBACK);
      if (typeof key === 'string') named.push(key);
      envelope[field] = key;
      return { key: String(n), value: Buffer.from(JSON.stringify(envelope)) };
    });
    const probe = new Redis(redis.url);
    const victims = [...new Set(named.filter((key) => !key.includes('\ud800')))].slice(0, VICTIMS);
    const own = (await probe.keys('*')).toSorted();
    for (const [index, key] of victims.entries()) {
      if (index % 2 === 0) await probe.xadd(key, '*', 'whose', 'not yours');
      else await probe.lpush(key, 'not yours');
    }
    const contents = async (): Promise<string[]> =>
      Promise.all(victims.map(async (key) => (await probe.dumpBuffer(key))!.toString('base64')));
    const before = await contents();

    await publishRaw(kafkaUrl, topic, messages);
    const letters = await readRaw(kafkaUrl, `${topic}.dlt`, KEYS, 500_000);
    const distinct = new Set(letters.map(({ key }) => String(key))).size;
    const after = await contents();
    const changed = victims.filter((_key, index) => before[index] !== after[index]).length;
    const foreign = (await probe.keys('*')).filter((key) => !own.includes(key) && !victims.includes(key)).length;
    await probe.quit();
    report('hostile keys', { requests: KEYS, handled, deadLettered: distinct, victims: victims.length, changed, foreignKeysMade: foreign });
    expect([handled, distinct, changed, foreign]).toEqual([0, KEYS, 0, 0]);
    expect(victims).toHaveLength(VICTIMS);
    await app.close();
    await redis.close();
  });
});
