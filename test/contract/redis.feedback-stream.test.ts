import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { feedbackTopicOf, newId, newInbox } from '../../lib/protocol/keys';
import { RedisFeedbackStream } from '../../lib/streams/redis/redis.feedback-stream';
import { cancelKeyOf, leaseKeyOf, scheduleKeyOf } from '../../lib/streams/redis/redis.keys';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { testFeedbackStream } from '../../lib/testing/feedback-stream.contract';
import { eventually } from '../support/eventually';
import { startRedis, type RedisServer } from '../support/redis';
import { describeWith } from '../support/servers';

describeWith(['redis'], 'Redis', ({ redisUrl }) => {
  const create = () => new RedisFeedbackStream({ url: parseStreamUrl(redisUrl), options: {}, logger: SILENT_LOGGER });

  testFeedbackStream({ name: 'redis', create: async () => ({ stream: create() }), runner: { describe, it } });
  testFeedbackStream({
    name: 'redis, RESP3 replies as they are',
    create: async () => ({
      stream: new RedisFeedbackStream({
        url: parseStreamUrl(redisUrl),
        options: { client: { replyMapping: 'resp3' } },
        logger: SILENT_LOGGER,
      }),
    }),
    runner: { describe, it },
  });
  testFeedbackStream({
    name: 'redis, RESP2',
    create: async () => ({
      stream: new RedisFeedbackStream({ url: parseStreamUrl(redisUrl), options: { client: { protocol: 2 } }, logger: SILENT_LOGGER }),
    }),
    runner: { describe, it },
  });

  describe('keys and sockets of the Redis feedback stream', () => {
    let redis: Redis;
    beforeAll(() => {
      redis = new Redis(redisUrl);
    });
    afterAll(() => redis.quit());

    const open = async (stream: RedisFeedbackStream, lives: { ttlMs: number; leaseMs: number }) => {
      const inbox = newInbox();
      const received: string[] = [];
      const reader = await stream.openReader({
        ...lives,
        inbox,
        onItems: (items) => void received.push(...items.map(({ value }) => value.toString())),
        onLost: () => {},
      });
      return { inbox, reader, received };
    };

    it('F3: gives the inbox its ttl and the lease its life; close deletes both', async () => {
      const stream = create();
      const { inbox, reader } = await open(stream, { ttlMs: 60_000, leaseMs: 5_000 });
      const lease = leaseKeyOf(inbox);
      expect(await redis.pttl(inbox)).toBeGreaterThan(55_000);
      expect(await redis.pttl(lease)).toBeGreaterThan(4_000);
      expect(await redis.pttl(lease)).toBeLessThanOrEqual(5_000);
      await reader.close();
      expect(await redis.exists(inbox, lease)).toBe(0);
      await stream.close();
    });

    it('F3: writing to an unknown inbox creates no key', async () => {
      const stream = create();
      const inbox = newInbox();
      expect(await stream.write(inbox, [{ field: 'frame', value: Buffer.from('x') }])).toBe('gone');
      expect(await redis.exists(inbox)).toBe(0);
      await stream.close();
    });

    it('F3: a list expires so long after its last frame', async () => {
      const stream = create();
      const topic = feedbackTopicOf(newId());
      await stream.writeList(topic, [Buffer.from('a'), Buffer.from('b')], 30_000);
      expect(await redis.pttl(topic)).toBeGreaterThan(25_000);
      expect([await redis.rpop(topic), await redis.rpop(topic)]).toEqual(['a', 'b']);
      await stream.close();
    });

    it('F5: drops what it has read while it reads', async () => {
      const stream = create();
      const { inbox, received } = await open(stream, { ttlMs: 60_000, leaseMs: 60_000 });
      let longest = 0;
      for (let index = 0; index < 1_000; index += 1) {
        await stream.write(inbox, [{ field: 'frame', value: Buffer.from(String(index)) }]);
        longest = Math.max(longest, await redis.xlen(inbox));
      }
      await eventually('all came', () => received.length === 1_000);
      expect(longest).toBeLessThan(300);
      await stream.close();
    });

    it('F5: drops the rest of what it has read soon after, however long its lease is', async () => {
      const stream = create();
      const { inbox } = await open(stream, { ttlMs: 60_000, leaseMs: 60_000 });
      for (let index = 0; index < 5; index += 1) await stream.write(inbox, [{ field: 'frame', value: Buffer.from('x') }]);
      expect(await redis.xlen(inbox)).toBeGreaterThan(0);
      await eventually('nothing is left', async () => (await redis.xlen(inbox)) === 0, { timeoutMs: 2_000 });
      await stream.close();
    });

    it('renews a lease that was lost, and a process without one is not alive', async () => {
      const [stream, observer] = [create(), create()];
      await observer.connect();
      const { inbox } = await open(stream, { ttlMs: 60_000, leaseMs: 300 });
      await redis.del(leaseKeyOf(inbox));
      await eventually('the lease is back', () => redis.exists(leaseKeyOf(inbox)), { timeoutMs: 2_000 });
      const dead = newInbox();
      await redis.xadd(dead, '*', 'o', '1');
      await redis.pexpire(dead, 10_000);
      await eventually('only the living', async () => (await observer.alive([inbox, dead], 300)).size === 1);
      expect([...(await observer.alive([inbox, dead], 300))]).toEqual([inbox]);
      await Promise.all([stream.close(), observer.close()]);
    });

    it('F6: asks about many requests by one command, where all are wanted', async () => {
      const stream = create();
      await stream.connect();
      const ids = Array.from({ length: 300 }, newId);
      const keys = new Set(ids.map(cancelKeyOf));
      const commands: string[][] = [];
      const monitor = await redis.monitor();
      monitor.on('monitor', (_time: string, command: string[]) => commands.push(command));
      expect([...(await stream.cancelled(ids))]).toEqual([]);
      const last = newId();
      await redis.echo(last);
      await eventually('all is seen', () => commands.some((command) => command.includes(last)));
      expect(commands.filter((command) => command.some((word) => keys.has(word))).map((command) => command.length)).toEqual([301]);
      monitor.disconnect();
      await stream.close();
    });

    it('uses two sockets, a third with lists, and leaves none', async () => {
      const name = `sb-${newId().slice(0, 8)}`;
      const stream = new RedisFeedbackStream({
        url: parseStreamUrl(redisUrl),
        options: { client: { connectionName: name } },
        logger: SILENT_LOGGER,
      });
      const sockets = async (): Promise<number> => String(await redis.client('LIST')).split(`name=${name} `).length - 1;
      await open(stream, { ttlMs: 60_000, leaseMs: 5_000 });
      expect(await sockets()).toBe(2);
      for (let index = 0; index < 5; index += 1) {
        await stream.openListReader({ feedbackTopic: feedbackTopicOf(newId()), onFrames: () => {}, onUncertain: () => {} });
      }
      expect(await sockets()).toBe(3);
      await stream.close();
      await eventually('all are closed', async () => (await sockets()) === 0);
    });

    it('a full list does not keep others waiting', async () => {
      const stream = create();
      const [full, other] = [feedbackTopicOf(newId()), feedbackTopicOf(newId())];
      const total = 30_000;
      await stream.writeList(full, Array<Buffer>(total).fill(Buffer.from('x')), 60_000);
      await stream.writeList(other, [Buffer.from('y')], 60_000);
      // The connection is there, so that both lists are opened at once.
      await stream.openListReader({ feedbackTopic: feedbackTopicOf(newId()), onFrames: () => {}, onUncertain: () => {} });
      let taken = 0;
      const takenBefore = new Promise<number>((resolve) => {
        void stream.openListReader({ feedbackTopic: full, onFrames: (frames) => (taken += frames.length), onUncertain: () => {} });
        void stream.openListReader({ feedbackTopic: other, onFrames: () => resolve(taken), onUncertain: () => {} });
      });
      expect(await takenBefore).toBeLessThan(total / 2);
      await stream.close();
    });

    it('a feedback topic that is another kind of key is refused for good, not tried again', async () => {
      const stream = create();
      const feedbackTopic = feedbackTopicOf(newId());
      await redis.set(feedbackTopic, 'x', 'PX', 60_000);
      await expect(stream.writeList(feedbackTopic, [Buffer.from('x')], 60_000)).rejects.toMatchObject({
        code: 'FOREIGN_FEEDBACK_KEY',
        retryable: false,
      });
      await stream.close();
    });

    it('schedules: what somebody else has written does no harm', async () => {
      const stream = create();
      const group = newId();
      const key = scheduleKeyOf(group);
      await stream.schedules.sync(group, ['mine']);
      const garbage = [
        'no colon',
        ':',
        'after:text',
        'after:far',
        'sent:mine',
        'claim:mine',
        'what:mine',
        'definition:orphan',
        'after:__proto__',
      ];
      await redis.hset(key, Object.fromEntries(garbage.map((field) => [field, field === 'after:far' ? '1e300' : 'garbage'])));
      const { schedules, now } = await stream.schedules.sync(group, ['mine']);
      expect([...schedules.keys()]).toEqual(['mine']);
      expect(schedules.get('mine')!.sent).toBeUndefined();
      await eventually('it is due', async () => (await stream.schedules.sync(group, [])).now > now);
      expect(await stream.schedules.claim({ group, name: 'mine', slot: now + 1, owner: 'me' }, 1_000)).toMatchObject({
        outcome: 'claimed',
      });
      expect(await stream.schedules.claim({ group, name: 'text', slot: now + 1, owner: 'me' }, 1_000)).toMatchObject({
        outcome: 'unknown',
      });
      await stream.schedules.complete({ group, name: 'mine', slot: now + 1, owner: 'me' });
      expect((await stream.schedules.sync(group, [])).schedules.get('mine')!.sent).toBe(now + 1);
      await redis.set(key, 'no hash');
      await expect(stream.schedules.sync(group, ['mine'])).rejects.toMatchObject({ name: 'StreambackConnectionError' });
      await redis.del(key);
      await stream.close();
    });

    it('closes at once though its reads are blocking', async () => {
      const stream = create();
      await open(stream, { ttlMs: 60_000, leaseMs: 5_000 });
      await stream.openListReader({ feedbackTopic: feedbackTopicOf(newId()), onFrames: () => {}, onUncertain: () => {} });
      const startedAt = performance.now();
      await stream.close();
      expect(performance.now() - startedAt).toBeLessThan(500);
    });
  });
});

describeWith(['own-redis'], 'Redis before 7, which does not know BLMPOP', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ args: ['--rename-command', 'BLMPOP', ''] });
  });
  afterAll(() => server.close());

  testFeedbackStream({
    name: 'redis without BLMPOP',
    create: async () => ({
      stream: new RedisFeedbackStream({ url: parseStreamUrl(server.url), options: {}, logger: SILENT_LOGGER }),
    }),
    runner: { describe, it },
  });
});
