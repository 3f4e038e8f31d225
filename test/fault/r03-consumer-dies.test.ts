import { afterEach, beforeEach, expect, it } from 'vitest';
import { StreambackClient, type StreambackModuleOptions } from '../../lib';
import type { AppProcess } from '../support/app-process';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene, tally, wait } from './apps';
import type { CountAnswer, CountRequest } from './apps/service.app';

const LEASE_MS = 1_000;
const LANES = FULL_SIZE ? 100 : 10;
/** What a lane that ends in order has. */
const LENGTH = 50;

/** One lane as its reader sees it. */
class Reading {
  readonly pids = new Set<number>();
  count = 0;
  disorder = 0;
  end: string | undefined;
  endedAt = 0;

  constructor(client: StreambackClient, request: CountRequest) {
    const over = (end: string): void => {
      this.end = end;
      this.endedAt = performance.now();
    };
    client.send<CountAnswer>('count', { to: LENGTH, ...request }).subscribe({
      next: ({ n, pid }) => {
        if (n !== this.count) this.disorder += 1;
        this.count += 1;
        this.pids.add(pid);
      },
      error: (error: { code?: string }) => over(error.code ?? 'an error without code'),
      complete: () => over(this.count === LENGTH ? 'complete' : 'silent end'),
    });
  }
}

function counts(readings: readonly Reading[]) {
  return {
    lanes: readings.length,
    ends: tally(readings.map(({ end }) => end ?? 'none')),
    silentEnds: readings.filter(({ end }) => end === undefined || end === 'silent end').length,
    mixedAttempts: readings.filter(({ pids }) => pids.size > 1).length,
    outOfOrder: readings.filter(({ disorder }) => disorder > 0).length,
  };
}

describeWith(['kafka', 'own-redis'], 'R3 a consumer that dies in the middle of streams', ({ kafkaUrl }) => {
  const scene = new Scene();
  let options: StreambackModuleOptions;
  let client: StreambackClient;
  beforeEach(async () => {
    const redis = await scene.redis();
    const group = freshName('dies');
    const streams = `main=${kafkaUrl}&feedback=${redis.url}`;
    const kafka = { partitions: 1, consumer: { sessionTimeout: 3_000, heartbeatInterval: 300 } };
    options = { group, topicsPrefix: group, streams, leaseMs: LEASE_MS, kafka, defaultListenerOptions: { concurrency: 1_000 } };
    client = new StreambackClient({ ...options, group: 'reader' });
    scene.closers.push(() => client.close());
  });
  afterEach(() => scene.close());

  /** Half of the lanes are in the middle of their answers when `harm` is done; the handlers of the others work on their first. */
  async function readDuring(harm: (app: AppProcess) => Promise<void>): Promise<{ begun: Reading[]; silent: Reading[]; harmedAt: number }> {
    const app = await scene.app('service', options);
    const ids = Array.from({ length: LANES / 2 }, (_, id) => id);
    const begun = ids.map((id) => new Reading(client, { id, everyMs: 50 }));
    const silent = ids.map((id) => new Reading(client, { id: LANES / 2 + id, firstAfterMs: 2_000 }));
    await eventually('all handlers run', () => app.messages.filter(({ type }) => type === 'begun').length === LANES);
    await eventually('half are read', () => begun.every(({ count }) => count > 0));
    const harmedAt = performance.now();
    await harm(app);
    return { begun, silent, harmedAt };
  }

  it(`${LANES} streams, SIGKILL: those that were read err at once, the others are completed by another attempt`, async () => {
    let next!: Promise<AppProcess>;
    const { begun, silent, harmedAt } = await readDuring(async (app) => {
      await app.kill('SIGKILL');
      next = scene.app('service', options);
    });
    await eventually('all have ended', () => [...begun, ...silent].every(({ end }) => end), { timeoutMs: 40_000 });
    const told = Math.round(Math.max(...begun.map(({ endedAt }) => endedAt)) - harmedAt);
    const begunForNobody = (await next).messages.filter(({ type, id }) => type === 'begun' && Number(id) < LANES / 2).length;
    report('R3', { ...counts([...begun, ...silent]), begunForNobody, lastToldAfterMs: told });
    expect(begunForNobody).toBe(0);
    expect(tally(begun.map(({ end }) => end!))).toBe(`CONSUMER_LOST ${LANES / 2}`);
    expect(tally(silent.map(({ end }) => end!))).toBe(`complete ${LANES / 2}`);
    expect(counts([...begun, ...silent])).toMatchObject({ silentEnds: 0, mixedAttempts: 0, outOfOrder: 0 });
    expect(told).toBeLessThanOrEqual(2 * LEASE_MS + 500);
  });

  it(`${LANES} streams, SIGSTOP beyond the lease: as if it were dead, also when it goes on`, async () => {
    let frozen!: AppProcess;
    const { begun, silent, harmedAt } = await readDuring(async (app) => {
      frozen = app;
      await app.kill('SIGSTOP');
      void scene.app('service', options);
    });
    await eventually('what was read has ended', () => begun.every(({ end }) => end), { timeoutMs: 20_000 });
    const told = Math.round(Math.max(...begun.map(({ endedAt }) => endedAt)) - harmedAt);
    await eventually('the others are answered', () => silent.every(({ count }) => count > 0), { timeoutMs: 40_000 });
    await frozen.kill('SIGCONT');
    await eventually('all have ended', () => silent.every(({ end }) => end), { timeoutMs: 20_000 });
    // Whatever the old process still had to say would come now.
    const again = new Reading(client, { everyMs: 10 });
    await eventually('it works on', () => again.end, { timeoutMs: 20_000 });
    report('R3', { ...counts([...begun, ...silent, again]), lastToldAfterMs: told });
    expect(tally(begun.map(({ end }) => end!))).toBe(`CONSUMER_LOST ${LANES / 2}`);
    expect(tally([...silent, again].map(({ end }) => end!))).toBe(`complete ${LANES / 2 + 1}`);
    expect(counts([...begun, ...silent, again])).toMatchObject({ silentEnds: 0, mixedAttempts: 0, outOfOrder: 0 });
    expect(told).toBeLessThanOrEqual(2 * LEASE_MS + 500);
  });

  it(`${LANES} streams, a pause shorter than the lease: nobody is harmed`, async () => {
    const { begun, silent } = await readDuring(async (app) => {
      for (let pause = 0; pause < 3; pause++) {
        await app.kill('SIGSTOP');
        await wait(LEASE_MS * 0.6);
        await app.kill('SIGCONT');
        await wait(LEASE_MS * 0.4);
      }
    });
    await eventually('all have ended', () => [...begun, ...silent].every(({ end }) => end), { timeoutMs: 20_000 });
    report('R3', counts([...begun, ...silent]));
    expect(counts([...begun, ...silent])).toEqual({
      lanes: LANES,
      ends: `complete ${LANES}`,
      silentEnds: 0,
      mixedAttempts: 0,
      outOfOrder: 0,
    });
  });
});
