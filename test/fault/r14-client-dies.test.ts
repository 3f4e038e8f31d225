import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StreambackModuleOptions } from '../../lib';
import type { AppProcess } from '../support/app-process';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene, tally, wait } from './apps';

/** The defaults' lease, as the bound of 10 s is theirs; a life that a test can wait for. */
const LEASE_MS = 5_000;
const TTL_MS = 15_000;
const LANES = FULL_SIZE ? 100 : 10;

describeWith(['kafka', 'own-redis'], 'R14 a client that dies with lanes open', ({ kafkaUrl }) => {
  const scene = new Scene();
  let options: StreambackModuleOptions;
  let service: AppProcess;
  let client: AppProcess;
  let keys: () => Promise<string[]>;
  let servicesOwn: string[];

  beforeEach(async () => {
    const redis = await scene.redis();
    const probe = new Redis(redis.url);
    scene.closers.push(() => probe.quit());
    keys = () => probe.keys('*');
    const group = freshName('dies');
    const streams = `main=${kafkaUrl}&feedback=${redis.url}`;
    options = { group, topicsPrefix: group, streams, leaseMs: LEASE_MS, feedbackTtlMs: TTL_MS, kafka: { partitions: 1 } };
    service = await scene.app('service', options);
    servicesOwn = await keys();
    client = await scene.app('reader', { ...options, group: 'reader' }, String(LANES));
    await client.next('reading', 30_000);
    await eventually('all handlers run', () => service.messages.filter(({ type }) => type === 'begun').length === LANES);
  });
  afterEach(() => scene.close());

  const stopped = () => service.messages.filter(({ type }) => type === 'stopped');
  const leftOver = async () => (await keys()).filter((key) => !servicesOwn.includes(key)).length;

  /** How long after `since` all handlers were stopped. */
  async function toldAfter(since: number): Promise<number> {
    await eventually('all are told', () => stopped().length === LANES, { timeoutMs: 30_000 });
    return Math.round(performance.now() - since);
  }

  it(`${LANES} lanes, SIGKILL: its handlers are told within two leases, and no key of it is left 5 s after the TTL`, async () => {
    await client.kill('SIGKILL');
    const killedAt = performance.now();
    const toldAfterMs = await toldAfter(killedAt);
    await eventually('its keys are gone', async () => (await leftOver()) === 0, { timeoutMs: TTL_MS + 10_000, intervalMs: 100 });
    const keysGoneAfterMs = Math.round(performance.now() - killedAt);
    const handlers = tally(stopped().map(({ code }) => String(code)));
    report('R14', { lanes: LANES, handlers, toldAfterMs, keysLeft: await leftOver(), keysGoneAfterMs });
    expect(handlers).toBe(`CLIENT_LOST ${LANES}`);
    expect(toldAfterMs).toBeLessThanOrEqual(2 * LEASE_MS);
    expect(keysGoneAfterMs).toBeLessThanOrEqual(TTL_MS + 5_000);
  });

  it(`${LANES} lanes, SIGSTOP beyond the lease: its handlers are told within two leases`, async () => {
    await client.kill('SIGSTOP');
    const toldAfterMs = await toldAfter(performance.now());
    const handlers = tally(stopped().map(({ code }) => String(code)));
    report('R14', { lanes: LANES, handlers, toldAfterMs });
    expect(handlers).toBe(`CLIENT_LOST ${LANES}`);
    expect(toldAfterMs).toBeLessThanOrEqual(2 * LEASE_MS);
  });

  it(`${LANES} lanes, a pause shorter than the lease: nobody is harmed`, async () => {
    for (let pause = 0; pause < 2; pause++) {
      await client.kill('SIGSTOP');
      await wait(LEASE_MS * 0.6);
      await client.kill('SIGCONT');
      await wait(LEASE_MS * 0.4);
    }
    const before = client.messages.findLast(({ type }) => type === 'reading')!.answers as number;
    await eventually('its lanes go on', () => (client.messages.findLast(({ type }) => type === 'reading')!.answers as number) > before);
    const failed = client.messages.filter(({ type }) => type === 'failed').length;
    report('R14', { lanes: LANES, handlersStopped: stopped().length, lanesFailed: failed });
    expect({ stopped: stopped().length, failed }).toEqual({ stopped: 0, failed: 0 });
  });
});
