import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { SILENT_LOGGER, type StreambackLogger } from '../../lib/common/logger';
import { newInbox } from '../../lib/protocol/keys';
import type { FeedbackStream, InboxItem } from '../../lib/streams/feedback-stream';
import { RedisClusterFeedbackStream } from '../../lib/streams/redis/redis.cluster-feedback-stream';
import { RedisFeedbackStream } from '../../lib/streams/redis/redis.feedback-stream';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { eventually } from '../support/eventually';
import type { RedisServer } from '../support/redis';
import { startRedisCluster, type RedisCluster } from '../support/redis-cluster';
import { startRedisSentinel } from '../support/redis-sentinel';
import { report } from '../support/report';
import { describeWith } from '../support/servers';

const FRAMES = 1_000;
const LIVES = { ttlMs: 60_000, leaseMs: 1_000 };
const item = (id: number): InboxItem => ({ field: 'frame', value: Buffer.from(String(id)) });

function recorder() {
  const lines: string[] = [];
  const note = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const logger: StreambackLogger = { log: note('log'), warn: note('warn'), error: note('error'), debug: () => {} };
  return { lines, logger };
}

async function openInbox(stream: FeedbackStream, inbox = newInbox()) {
  const received: number[] = [];
  let lost = 0;
  await stream.openReader({
    ...LIVES,
    inbox,
    onItems: (items) => {
      for (const { value } of items) received.push(Number(value));
    },
    onLost: () => (lost += 1),
  });
  return { inbox, received, lost: () => lost };
}

/** An inbox whose slot is of the first master, which has the replica. */
async function inboxOfFirst(cluster: RedisCluster): Promise<string> {
  for (;;) {
    const inbox = newInbox();
    const [slot] = await cluster.onEach((node) => node.cluster('KEYSLOT', inbox));
    if (Number(slot) <= 5_000) return inbox;
  }
}

interface Failover {
  readonly name: string;
  readonly reading: FeedbackStream;
  readonly writer: FeedbackStream;
  readonly lines: readonly string[];
  readonly inbox?: string;
  /** Kills the server that has the inbox. */
  readonly kill: () => Promise<void>;
}

/** Writes while the server of the inbox dies and another takes over: what is missing at the end was told. */
async function failOver({ name, reading, writer, lines, inbox: chosen, kill }: Failover): Promise<void> {
  const statuses: string[] = [];
  const { inbox, received, lost } = await openInbox(reading, chosen);
  await writer.connect();
  writer.onStatus((status) => void statuses.push(status));
  const results: Promise<string>[] = [];
  for (let id = 0; id < FRAMES; id += 1) {
    results.push(writer.write(inbox, [item(id)]));
    if (id === FRAMES / 2) void kill();
    if (id % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const startedAt = performance.now();
  const outcomes = await Promise.all(results.map((result) => result.catch((error: { code: string }) => error.code)));
  const settledAfterMs = Math.round(performance.now() - startedAt);
  const written = outcomes.filter((outcome) => outcome === 'written').length;
  await eventually('all came, or their loss was told', () => new Set(received).size >= written || lost() > 0, { timeoutMs: 15_000 });
  const firsts = [...new Set(received)];
  const missing = written - firsts.length;
  const counts = Object.fromEntries([...new Set(outcomes)].map((each) => [each, outcomes.filter((outcome) => outcome === each).length]));
  report('R11', {
    by: name,
    frames: FRAMES,
    ...counts,
    missing,
    twice: received.length - firsts.length,
    inboxLost: lost(),
    settledAfterMs,
  });
  expect(missing <= 0 || lost() === 1, 'what is missing was told').toBe(true);
  // A server that is being replaced may refuse a few writes, which are tried again by whoever wrote; none hangs, none is lost in silence.
  expect(Object.keys(counts).filter((outcome) => !['written', 'gone', 'FEEDBACK_UNWRITABLE'].includes(outcome))).toEqual([]);
  if (lost() === 0) expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
  const after = await openInbox(reading);
  expect(await writer.write(after.inbox, [item(1)])).toBe('written');
  await eventually('the next inbox works', () => after.received.length === 1);
  await eventually('connected again', () => statuses.at(-1) === 'connected');
  expect(statuses).toContain('reconnecting');
  expect((await writer.alive([after.inbox], LIVES.leaseMs)).has(after.inbox)).toBe(true);
  // Loud once for each connection that broke, not for each try.
  expect(lines.filter((line) => line.startsWith('error')).length, lines.join('\n')).toBeLessThanOrEqual(4);
}

/** Cuts the replica off, which stays behind what is written and read from now on. */
async function cutOff(master: RedisServer, replica: RedisServer): Promise<void> {
  const admin = new Redis(master.url);
  const onReplica = new Redis(replica.url);
  try {
    // Those who are connected stay, but for the replica, which cannot come back.
    await admin.config('SET', 'requirepass', 'unknown to the replica');
    await admin.call('client', 'KILL', 'TYPE', 'replica');
    await eventually('cut off', async () => (await onReplica.info('replication')).includes('master_link_status:down'));
  } finally {
    admin.disconnect();
    onReplica.disconnect();
  }
}

/** What was read is not there any more after the failover: the reader is told, instead of waiting for ids that never come. */
async function failOverBehind(stream: FeedbackStream, master: RedisServer, replica: RedisServer, chosen = newInbox()): Promise<void> {
  const { inbox, received, lost } = await openInbox(stream, chosen);
  expect(await stream.write(inbox, [item(0)])).toBe('written');
  await eventually('read', () => received.length === 1);
  await cutOff(master, replica);
  expect(await stream.write(inbox, [item(1)])).toBe('written');
  await eventually('read', () => received.length === 2);
  await master.kill();
  await eventually('told', () => lost() === 1, { timeoutMs: 20_000 });
  expect(await stream.write(inbox, [item(2)])).toBe('gone');
}

describeWith(['own-redis'], 'A Redis that is replaced', () => {
  it(`R11: by sentinels, ${FRAMES} frames under way`, { timeout: 120_000 }, async () => {
    const sentinel = await startRedisSentinel();
    const { lines, logger } = recorder();
    const create = () => new RedisFeedbackStream({ url: parseStreamUrl(sentinel.url), options: {}, logger });
    const [reading, writer] = [create(), create()];
    try {
      await failOver({ name: 'sentinels', reading, writer, lines, kill: () => sentinel.master.kill() });
    } finally {
      await Promise.all([reading.close(), writer.close()]);
      await sentinel.close();
    }
  });

  it(`R11: a node of a cluster by its replica, ${FRAMES} frames under way`, { timeout: 120_000 }, async () => {
    const cluster = await startRedisCluster({ replica: true });
    const { lines, logger } = recorder();
    const create = () => new RedisClusterFeedbackStream({ url: parseStreamUrl(cluster.url), options: {}, logger });
    const [reading, writer] = [create(), create()];
    try {
      const inbox = await inboxOfFirst(cluster);
      await failOver({ name: 'the cluster', reading, writer, lines, inbox, kill: () => cluster.masters[0]!.kill() });
    } finally {
      await Promise.all([reading.close(), writer.close()]);
      await cluster.close();
    }
  });

  it('R11: by sentinels with a replica that is behind: the reader is told', { timeout: 120_000 }, async () => {
    const sentinel = await startRedisSentinel();
    const stream = new RedisFeedbackStream({ url: parseStreamUrl(sentinel.url), options: {}, logger: SILENT_LOGGER });
    try {
      await failOverBehind(stream, sentinel.master, sentinel.replica);
    } finally {
      await stream.close();
      await sentinel.close();
    }
  });

  it('R11: a node of a cluster by a replica that is behind: the reader is told', { timeout: 120_000 }, async () => {
    const cluster = await startRedisCluster({ replica: true });
    const stream = new RedisClusterFeedbackStream({ url: parseStreamUrl(cluster.url), options: {}, logger: SILENT_LOGGER });
    try {
      await failOverBehind(stream, cluster.masters[0]!, cluster.replica!, await inboxOfFirst(cluster));
    } finally {
      await stream.close();
      await cluster.close();
    }
  });

  it('a node of a cluster that nobody replaces: others serve on, its writes wait and settle at close', { timeout: 120_000 }, async () => {
    const cluster = await startRedisCluster({ requireFullCoverage: false });
    const { lines, logger } = recorder();
    const stream = new RedisClusterFeedbackStream({ url: parseStreamUrl(cluster.url), options: {}, logger });
    try {
      const opened = await Promise.all(Array.from({ length: 12 }, () => openInbox(stream)));
      const [slots = []] = await cluster.onEach(async (node) => Promise.all(opened.map(({ inbox }) => node.cluster('KEYSLOT', inbox))));
      const onFirst = opened.filter((_each, index) => Number(slots[index]) < 5_462);
      const others = opened.filter((each) => !onFirst.includes(each));
      expect(onFirst.length && others.length).toBeGreaterThan(0);
      await cluster.masters[0]!.kill();
      const waiting = onFirst.map(({ inbox }) => stream.write(inbox, [item(1)]).catch((error: { code: string }) => error.code));
      expect(await Promise.all(others.map(({ inbox }) => stream.write(inbox, [item(2)])))).toEqual(others.map(() => 'written'));
      await eventually('they came', () => others.every(({ received }) => received.length === 1));
      await new Promise((resolve) => setTimeout(resolve, 3 * LIVES.leaseMs));
      const inboxes = opened.map(({ inbox }) => inbox);
      const startedAt = performance.now();
      expect((await stream.alive(inboxes, LIVES.leaseMs)).size, 'a doubt is for life').toBe(inboxes.length);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      expect(opened.map(({ lost }) => lost())).toEqual(opened.map(() => 0));
      const closingAt = performance.now();
      await stream.close();
      expect(performance.now() - closingAt).toBeLessThan(3_000);
      expect(await Promise.all(waiting)).toEqual(onFirst.map(() => 'CLOSED'));
      expect(lines.filter((line) => line.startsWith('error')).length, lines.join('\n')).toBe(1);
    } finally {
      await stream.close();
      await cluster.close();
    }
  });

  it('a cluster that is away as a whole: it comes back by itself, and writes go on', { timeout: 120_000 }, async () => {
    const cluster = await startRedisCluster();
    const { lines, logger } = recorder();
    const stream = new RedisClusterFeedbackStream({ url: parseStreamUrl(cluster.url), options: {}, logger });
    const statuses: string[] = [];
    stream.onStatus((status) => void statuses.push(status));
    try {
      const opened = await Promise.all(Array.from({ length: 6 }, () => openInbox(stream)));
      await Promise.all(cluster.masters.map((master) => master.kill()));
      const writes = opened.map(({ inbox }) => stream.write(inbox, [item(1)]));
      await eventually('noticed', () => statuses.at(-1) === 'reconnecting');
      expect((await stream.alive([newInbox()], LIVES.leaseMs)).size).toBe(1);
      await Promise.all(cluster.masters.map((master) => master.start()));
      // They come back empty.
      expect(await Promise.all(writes)).toEqual(opened.map(() => 'gone'));
      await eventually('told', () => opened.every(({ lost }) => lost() === 1));
      const after = await openInbox(stream);
      expect(await stream.write(after.inbox, [item(1)])).toBe('written');
      await eventually('it came', () => after.received.length === 1);
      await eventually('connected again', () => statuses.at(-1) === 'connected');
      expect(lines.map((line) => line.split(' ')[0])).toEqual(['error', 'log']);
    } finally {
      await stream.close();
      await cluster.close();
    }
  });

  it('a cluster that is not there, or refuses the password: told in bounded time, and no word of the password', async () => {
    const cluster = await startRedisCluster();
    const create = (url: string) =>
      new RedisClusterFeedbackStream({ url: parseStreamUrl(url), options: {}, logger: recorder().logger, connectTimeoutMs: 1_000 });
    const away = create('redis+cluster://127.0.0.1:1,127.0.0.1:2');
    const refused = create(cluster.url.replace('://', '://nobody:canary-secret@'));
    try {
      const startedAt = performance.now();
      const write = away.write(newInbox(), [item(1)]).catch((error: unknown) => error);
      await expect(away.connect()).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true });
      expect(await write).toMatchObject({ code: 'UNREACHABLE' });
      expect(performance.now() - startedAt).toBeLessThan(2_500);
      const error: unknown = await refused.connect().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED', retryable: false });
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('canary-secret');
    } finally {
      await Promise.all([away.close(), refused.close()]);
      await cluster.close();
    }
  });
});
