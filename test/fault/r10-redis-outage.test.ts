import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SILENT_LOGGER, type StreambackLogger } from '../../lib/common/logger';
import { newInbox } from '../../lib/protocol/keys';
import type { InboxItem } from '../../lib/streams/feedback-stream';
import { RedisFeedbackStream } from '../../lib/streams/redis/redis.feedback-stream';
import { leaseKeyOf } from '../../lib/streams/redis/redis.keys';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { startRedis, type RedisServer } from '../support/redis';
import { report } from '../support/report';
import { describeWith } from '../support/servers';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

const LIVES = { ttlMs: 60_000, leaseMs: 600 };
const item = (text: string): InboxItem => ({ field: 'frame', value: Buffer.from(text) });

function recorder() {
  const lines: string[] = [];
  const logger: StreambackLogger = {
    log: (message) => void lines.push(`log ${message}`),
    warn: (message) => void lines.push(`warn ${message}`),
    error: (message) => void lines.push(`error ${message}`),
    debug: () => {},
  };
  return { lines, logger };
}

describeWith(['own-redis'], 'Redis that is away, emptied or refuses', () => {
  const closers: (() => Promise<unknown>)[] = [];
  let redis: RedisServer;
  let proxy: TcpProxy;

  function streamOn(url: string, logger: StreambackLogger = SILENT_LOGGER, connectTimeoutMs = 10_000): RedisFeedbackStream {
    const stream = new RedisFeedbackStream({ url: parseStreamUrl(url), options: {}, logger, connectTimeoutMs });
    closers.push(() => stream.close());
    return stream;
  }

  function admin(port = redis.port): Redis {
    const client = new Redis({ port, host: '127.0.0.1' }).on('error', () => {});
    closers.push(async () => client.disconnect());
    return client;
  }

  async function openOn(stream: RedisFeedbackStream) {
    const received: string[] = [];
    let lost = 0;
    const inbox = newInbox();
    const reader = await stream.openReader({
      ...LIVES,
      inbox,
      onItems: (items) => void received.push(...items.map(({ value }) => value.toString())),
      onLost: () => (lost += 1),
    });
    return { inbox, received, reader, lost: () => lost };
  }

  beforeEach(async () => {
    redis = await startRedis();
    proxy = await startTcpProxy({ targetPort: redis.port });
  });
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
    await proxy.close();
    await redis.close();
  });

  it('R10: away for 3 s: nothing is lost, one line says so and one that it is back', async () => {
    const { lines, logger } = recorder();
    const stream = streamOn(`redis://127.0.0.1:${proxy.port}`, logger);
    const statuses: string[] = [];
    stream.onStatus((status) => void statuses.push(status));
    const { inbox, received, lost } = await openOn(stream);
    await stream.write(inbox, [item('before')]);
    proxy.refuse();
    const writes = Array.from({ length: 100 }, (_, index) => stream.write(inbox, [item(String(index))]));
    await eventually('the outage is noticed', () => statuses.at(-1) === 'reconnecting');
    expect([...(await stream.alive([inbox, newInbox()], LIVES.leaseMs))]).toHaveLength(2);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    proxy.resume();
    expect([...new Set(await Promise.all(writes))]).toEqual(['written']);
    await eventually('all came', () => received.length >= 101);
    expect([...new Set(received)]).toEqual(['before', ...Array.from({ length: 100 }, (_, index) => String(index))]);
    await eventually('connected again', () => statuses.at(-1) === 'connected');
    report('R10', { at: 'the stream', awayMs: 3_000, writes: 101, missing: 101 - new Set(received).size, inboxLost: lost() });
    expect(statuses).toEqual(['disconnected', 'connected', 'reconnecting', 'connected']);
    expect(lost()).toBe(0);
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['error', 'log']);
  });

  it('R10: a network that swallows everything: noticed, and nothing is lost', { timeout: 60_000 }, async () => {
    const [stream, writer] = [streamOn(`redis://127.0.0.1:${proxy.port}`), streamOn(`redis://127.0.0.1:${redis.port}`)];
    const statuses: string[] = [];
    const { inbox, received, lost } = await openOn(stream);
    stream.onStatus((status) => void statuses.push(status));
    proxy.stall();
    await writer.write(inbox, [item('meanwhile')]);
    const own = stream.write(inbox, [item('own')]);
    await eventually('given up', () => statuses.includes('reconnecting'), { timeoutMs: 20_000 });
    proxy.resume();
    expect(await own).toBe('written');
    await eventually('both came', () => new Set(received).size === 2);
    expect(lost()).toBe(0);
  });

  it('R14: whoever was away with us is not taken for dead', async () => {
    const observer = streamOn(`redis://127.0.0.1:${proxy.port}`);
    await observer.connect();
    const { inbox } = await openOn(streamOn(`redis://127.0.0.1:${redis.port}`));
    const dead = newInbox();
    await admin().xadd(dead, '*', 'o', '1');
    await eventually('the dead is known', async () => !(await observer.alive([inbox, dead], LIVES.leaseMs)).has(dead));
    proxy.cutAll();
    await eventually('cut', async () => (await observer.alive([dead], LIVES.leaseMs)).has(dead));
    await eventually('known again', async () => !(await observer.alive([dead], LIVES.leaseMs)).has(dead));
    expect((await observer.alive([inbox, dead], LIVES.leaseMs)).has(inbox)).toBe(true);
  });

  it('R14: nobody is taken for dead while Redis is a read-only replica, nor after', async () => {
    const observer = streamOn(redis.url);
    await openOn(observer);
    const { inbox } = await openOn(streamOn(redis.url));
    const deaths = async (forMs: number): Promise<number> => {
      let count = 0;
      for (const end = performance.now() + forMs; performance.now() < end;) {
        if (!(await observer.alive([inbox], LIVES.leaseMs)).has(inbox)) count += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return count;
    };
    // Of a master that is not there: what it holds stays, and cannot be renewed.
    await admin().replicaof('127.0.0.1', await freePort());
    expect(await deaths(4 * LIVES.leaseMs)).toBe(0);
    await admin().replicaof('NO', 'ONE');
    expect(await deaths(2 * LIVES.leaseMs)).toBe(0);
    const dead = newInbox();
    await admin().xadd(dead, '*', 'o', '1');
    await eventually('the dead is known', async () => !(await observer.alive([inbox, dead], LIVES.leaseMs)).has(dead));
    expect((await observer.alive([inbox], LIVES.leaseMs)).has(inbox)).toBe(true);
  });

  it('R11: emptied: the reader is told once, writers are told gone, nothing is left behind', async () => {
    const [stream, writer] = [streamOn(redis.url), streamOn(redis.url)];
    const { inbox, lost, reader } = await openOn(stream);
    await writer.connect();
    await admin().flushall();
    expect(await writer.write(inbox, [item('x')])).toBe('gone');
    await eventually('told', () => lost() === 1, { timeoutMs: 2_000 });
    expect(await writer.write(inbox, [item('x')])).toBe('gone');
    await reader.close();
    await eventually('no key', async () => (await admin().exists(inbox, leaseKeyOf(inbox))) === 0, { timeoutMs: 2_000 });
    expect(lost()).toBe(1);
    const again = await openOn(stream);
    await writer.write(again.inbox, [item('y')]);
    await eventually('a new inbox works', () => again.received.length === 1);
  });

  it('R11: restarted empty: the reader is told', async () => {
    const stream = streamOn(redis.url);
    const { inbox, lost } = await openOn(stream);
    await redis.restart();
    await eventually('told', () => lost() === 1);
    expect(await stream.write(inbox, [item('x')])).toBe('gone');
  });

  it('R11: failed over to a server that is behind: the reader is told, instead of waiting for ids that never come', async () => {
    const other = await startRedis();
    closers.push(() => other.close());
    const port = await freePort();
    let front = await startTcpProxy({ targetPort: redis.port, port });
    closers.push(() => front.close());
    const stream = streamOn(`redis://127.0.0.1:${port}`);
    const { inbox, received, lost } = await openOn(stream);
    await stream.write(inbox, [item('read')]);
    await eventually('read', () => received.length === 1);
    await front.close();
    await admin(other.port).xadd(inbox, '1-1', 'o', '1');
    front = await startTcpProxy({ targetPort: other.port, port });
    await eventually('told', () => lost() === 1);
    expect(await stream.write(inbox, [item('x')])).toBe('gone');
  });

  it('refuses writes that Redis refuses, as retryable', async () => {
    const stream = streamOn(redis.url);
    const { inbox, received } = await openOn(stream);
    const client = admin();
    await client.config('SET', 'maxmemory', '1');
    await expect(stream.write(inbox, [item('x')])).rejects.toMatchObject({ code: 'FEEDBACK_UNWRITABLE', retryable: true });
    await expect(stream.writeList('streamback_feedback_x', [Buffer.from('x')], 1_000)).rejects.toMatchObject({
      code: 'FEEDBACK_UNWRITABLE',
    });
    // A full server must not make the living look dead.
    await new Promise((resolve) => setTimeout(resolve, 2 * LIVES.leaseMs));
    expect(await client.exists(leaseKeyOf(inbox))).toBe(1);
    await client.config('SET', 'maxmemory', '0');
    expect(await stream.write(inbox, [item('y')])).toBe('written');
    await client.replicaof('127.0.0.1', '1');
    await expect(stream.write(inbox, [item('x')])).rejects.toMatchObject({ code: 'FEEDBACK_UNWRITABLE', retryable: true });
    await client.replicaof('NO', 'ONE');
    expect(await stream.write(inbox, [item('z')])).toBe('written');
    await eventually('both came', () => received.length === 2);
    expect(received).toEqual(['y', 'z']);
  });

  it('fails to connect in bounded time, and connects when it is tried again', async () => {
    const stream = streamOn(`redis://:canary-secret@127.0.0.1:${proxy.port}`, SILENT_LOGGER, 400);
    await admin().config('SET', 'requirepass', 'canary-secret');
    proxy.refuse();
    const startedAt = performance.now();
    const write = stream.write(newInbox(), [item('x')]).catch((error: unknown) => error);
    const error: unknown = await stream.connect().catch((refused: unknown) => refused);
    expect(error).toMatchObject({ code: 'UNREACHABLE', retryable: true });
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(await write).toMatchObject({ code: 'UNREACHABLE' });
    proxy.stall();
    await expect(stream.connect()).rejects.toMatchObject({ code: 'UNREACHABLE' });
    proxy.resume();
    await stream.connect();
    expect(await stream.write(newInbox(), [item('x')])).toBe('gone');
  });

  it('a wrong or missing password is told at once, and shown nowhere', async () => {
    await admin().config('SET', 'requirepass', 'right');
    for (const credentials of [':canary-secret@', '', 'nobody:canary-secret@']) {
      const { lines, logger } = recorder();
      const stream = streamOn(`redis://${credentials}127.0.0.1:${redis.port}`, logger);
      const startedAt = performance.now();
      const error: unknown = await stream.connect().catch((refused: unknown) => refused);
      expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED', retryable: false });
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      const { inspect } = await import('node:util');
      expect(inspect(error, { depth: 10, showHidden: true }) + lines.join('\n')).not.toContain('canary-secret');
    }
  });

  it('a user without a right is told so when the inbox is opened, not when an answer is waited for', async () => {
    const client = admin();
    const rights = ['+@connection', '+info', '+xadd', '+multi', '+exec', '+pexpire', '+set', '+del', '+xtrim'];
    await client.acl('SETUSER', 'narrow', 'on', '>pw', '~streamback_*', ...rights);
    const url = `redis://narrow:pw@127.0.0.1:${redis.port}`;
    await expect(openOn(streamOn(url))).rejects.toMatchObject({ code: 'NOT_AUTHORIZED' });
    expect(await client.keys('*')).toEqual([]);
    await client.acl('SETUSER', 'narrow', '+xread', '+xinfo', '+exists', '+lpush', '+rpush', '+blmpop');
    const stream = streamOn(url);
    const { inbox, received } = await openOn(stream);
    await stream.write(inbox, [item('x')]);
    await eventually('it came', () => received.length === 1);
    await client.acl('SETUSER', 'narrow', '-xadd');
    await expect(stream.write(inbox, [item('x')])).rejects.toMatchObject({ code: 'NOT_AUTHORIZED', retryable: false });
  });

  it('a database that does not exist is told so', async () => {
    await expect(streamOn(`${redis.url}/99`).connect()).rejects.toMatchObject({ code: 'INVALID_STREAMS_URL' });
    const stream = streamOn(`${redis.url}/5`);
    const { inbox } = await openOn(stream);
    const client = admin();
    await client.select(5);
    expect(await client.exists(inbox)).toBe(1);
  });

  it('warns once where Redis may evict answers', async () => {
    const { lines, logger } = recorder();
    await streamOn(redis.url, logger).connect();
    expect(lines).toEqual([]);
    await admin().config('SET', 'maxmemory-policy', 'allkeys-lru');
    const stream = streamOn(redis.url, logger);
    await stream.connect();
    await stream.connect();
    await eventually('the warning', () => lines.length > 0);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^warn .*allkeys-lru/);
  });

  it('closes while Redis is away, and settles what waited', async () => {
    const stream = streamOn(`redis://127.0.0.1:${proxy.port}`);
    const { inbox } = await openOn(stream);
    proxy.refuse();
    const statuses: string[] = [];
    stream.onStatus((status) => void statuses.push(status));
    await eventually('noticed', () => statuses.includes('reconnecting'));
    const write = stream.write(inbox, [item('x')]).catch((error: unknown) => error);
    const list = stream.writeList('streamback_feedback_x', [Buffer.from('x')], 1_000).catch((error: unknown) => error);
    const startedAt = performance.now();
    await stream.close();
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(await write).toMatchObject({ code: 'CLOSED' });
    expect(await list).toMatchObject({ code: 'CLOSED' });
    expect(statuses.at(-1)).toBe('disconnected');
  });
});
