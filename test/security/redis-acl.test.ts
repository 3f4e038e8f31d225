import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { feedbackTopicOf, newId, newInbox } from '../../lib/protocol/keys';
import type { FeedbackStream } from '../../lib/streams/feedback-stream';
import { RedisClusterFeedbackStream } from '../../lib/streams/redis/redis.cluster-feedback-stream';
import { RedisFeedbackStream } from '../../lib/streams/redis/redis.feedback-stream';
import type { ScheduleStore } from '../../lib/streams/schedule-store';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { testFeedbackStream } from '../../lib/testing/feedback-stream.contract';
import { eventually } from '../support/eventually';
import { RecordingLogger } from '../support/recording-logger';
import { startRedis, type RedisServer } from '../support/redis';
import { startRedisCluster, type RedisCluster } from '../support/redis-cluster';
import { describeWith } from '../support/servers';

/** What docs/operations.md has operators type, in order: the user, what reading lists takes, what schedules take, what a cluster takes. */
const [USER = [], LISTS = [], SCHEDULES = [], CLUSTER = []] = readFileSync(resolve(__dirname, '../../docs/operations.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('ACL SETUSER streamback '))
  .map((line) => line.split(' ').slice(3));

const grant = (redis: Redis, ...rules: readonly string[][]) => redis.acl('SETUSER', 'streamback', ...rules.flat());
const withUser = (url: string): string => url.replace('://', '://streamback:secret@');
const failed = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it was allowed',
    (error: unknown) => error,
  );

const openInbox = (stream: FeedbackStream) =>
  stream.openReader({ inbox: newInbox(), ttlMs: 60_000, leaseMs: 5_000, onItems: () => {}, onLost: () => {} });

async function runEachScript(schedules: ScheduleStore): Promise<void> {
  await schedules.add('acl', 'one', '{}');
  await schedules.pause('acl', 'one', true);
  await schedules.pause('acl', 'one', false);
  const { now } = await schedules.sync('acl', ['two']);
  // Until a slot after it can be claimed.
  while ((await schedules.sync('acl', [])).now <= now);
  const slot = { group: 'acl', name: 'one', slot: now + 1, owner: 'me' };
  expect((await schedules.claim(slot, 1_000)).outcome).toBe('claimed');
  await schedules.complete(slot);
  await schedules.remove('acl', 'one');
}

/** What was refused to our user, but for what does no harm. */
async function refusals(redis: Redis): Promise<string[]> {
  const log = (await redis.acl('LOG')) as unknown as readonly (readonly unknown[] | Record<string, unknown>)[];
  return log
    .map((entry) => (Array.isArray(entry) ? String(entry[entry.indexOf('object') + 1]) : String((entry as Record<string, unknown>).object)))
    .filter((object) => !/^client\|setinfo/i.test(object));
}

describeWith(['own-redis'], 'The Redis user of docs/operations.md', () => {
  let server: RedisServer;
  let admin: Redis;
  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    await grant(admin, USER, LISTS, SCHEDULES);
  });
  afterAll(async () => {
    await admin?.quit();
    await server?.close();
  });

  const create = () => new RedisFeedbackStream({ url: parseStreamUrl(withUser(server.url)), options: {}, logger: SILENT_LOGGER });

  testFeedbackStream({ name: 'redis, as that user', create: async () => ({ stream: create() }), runner: { describe, it } });

  it('is refused nothing, and has no right that is not used', async () => {
    expect(await refusals(admin)).toEqual([]);
    await admin.config('RESETSTAT');
    // A Redis that does not know the scripts yet is given them.
    await admin.script('FLUSH');
    const stream = create();
    const inbox = newInbox();
    await stream.openReader({ inbox, ttlMs: 60_000, leaseMs: 150, onItems: () => {}, onLost: () => {} });
    await stream.write(inbox, [{ field: 'frame', value: Buffer.from('x') }]);
    await stream.alive([inbox], 150);
    const openList = () => stream.openListReader({ feedbackTopic: feedbackTopicOf(newId()), onFrames: () => {}, onUncertain: () => {} });
    const list = await openList();
    // The second ends the pop that waits for the first.
    const other = await openList();
    await stream.writeList(feedbackTopicOf(newId()), [Buffer.from('x')], 1_000);
    // A renewal trims.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await Promise.all([list.close(), other.close()]);
    await runEachScript(stream.schedules);
    await stream.close();
    const granted = [...USER, ...LISTS, ...SCHEDULES].filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1));
    const used = [...(await admin.info('commandstats')).matchAll(/^cmdstat_([^:]+):/gm)].map(([, name]) => name!);
    // AUTH and SELECT are of other URLs and of older protocols; RPUSH puts back what a closed reader took, XINFO looks after a cut.
    const atTimes = ['auth', 'select', 'rpush', 'xinfo|stream'];
    expect(granted.filter((right) => !used.includes(right) && !atTimes.includes(right))).toEqual([]);
  });

  it.each([
    ['xadd', (stream: FeedbackStream) => stream.write(newInbox(), [{ field: 'frame', value: Buffer.from('x') }])],
    ['xadd', openInbox],
    ['xread', openInbox],
    ['set', openInbox],
    ['pexpire', openInbox],
    ['xtrim', openInbox],
    ['exec', openInbox],
    ['evalsha', (stream: FeedbackStream) => stream.schedules!.sync('acl', ['one'])],
    ['lpush', (stream: FeedbackStream) => stream.writeList!(feedbackTopicOf(newId()), [Buffer.from('x')], 1_000)],
  ])('without %s it is NOT_AUTHORIZED, which names the command', async (command, attempt) => {
    await grant(admin, [`-${command}`]);
    const stream = create();
    try {
      await stream.connect();
      const error = await failed(attempt(stream));
      expect(error).toMatchObject({ code: 'NOT_AUTHORIZED', retryable: false });
      expect((error as Error).message).toContain(`'${command}'`);
      expect(await admin.keys('streamback_inbox_*')).toEqual([]);
    } finally {
      await stream.close();
      await grant(admin, [`+${command}`]);
    }
  });

  it.each(['pexpire', 'xtrim'])('when %s is taken away later it is logged once', async (command) => {
    const logger = new RecordingLogger();
    const stream = new RedisFeedbackStream({ url: parseStreamUrl(withUser(server.url)), options: {}, logger });
    await stream.openReader({ inbox: newInbox(), ttlMs: 60_000, leaseMs: 300, onItems: () => {}, onLost: () => {} });
    try {
      await grant(admin, [`-${command}`]);
      await eventually('it is refused again and again', () => logger.having('not renewed').length > 3);
      expect(logger.having('error')).toEqual([expect.stringContaining('NOT_AUTHORIZED')]);
      expect(logger.having('error')[0]).toContain(`'${command}'`);
    } finally {
      await grant(admin, [`+${command}`]);
      await stream.close();
    }
  });

  it('without a command that a script runs it is NOT_AUTHORIZED', async () => {
    await grant(admin, ['-hsetnx']);
    const stream = create();
    expect(await failed(stream.schedules.sync('acl', ['one']))).toMatchObject({ code: 'NOT_AUTHORIZED', retryable: false });
    await stream.close();
    await grant(admin, ['+hsetnx']);
  });

  it('reaches no key but ours', async () => {
    const stream = create();
    await stream.connect();
    await expect(stream.unwrap().set('somebody-elses', '1')).rejects.toThrow(/NOPERM/);
    await expect(stream.unwrap().flushall()).rejects.toThrow(/NOPERM/);
    await stream.close();
  });
});

describeWith(['own-redis'], 'The Redis user of docs/operations.md on a cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
    await cluster.onEach((node) => grant(node, USER, SCHEDULES, CLUSTER));
  });
  afterAll(() => cluster?.close());

  const create = () => new RedisClusterFeedbackStream({ url: parseStreamUrl(withUser(cluster.url)), options: {}, logger: SILENT_LOGGER });

  testFeedbackStream({ name: 'redis cluster, as that user', create: async () => ({ stream: create() }), runner: { describe, it } });

  it('is refused nothing', async () => {
    expect((await cluster.onEach(refusals)).flat()).toEqual([]);
  });

  it('without xadd it is NOT_AUTHORIZED, which names the command', async () => {
    await cluster.onEach((node) => grant(node, ['-xadd']));
    const stream = create();
    const attempts = [openInbox(stream), stream.write(newInbox(), [{ field: 'frame', value: Buffer.from('x') }])];
    for (const error of await Promise.all(attempts.map(failed))) {
      expect(error).toMatchObject({ code: 'NOT_AUTHORIZED', retryable: false });
      expect((error as Error).message).toContain("'xadd'");
    }
    await stream.close();
  });
});
