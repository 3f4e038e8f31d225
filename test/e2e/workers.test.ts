import { lastValueFrom } from 'rxjs';
import { afterEach, expect, it } from 'vitest';
import { StreambackClient } from '../../lib';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';
import { isAlive, startWorkersApp, type WorkersApp, type WorkersAppOptions } from '../support/workers-app';

const START_TIMEOUT_MS = 60_000;
const TEST_TIMEOUT_MS = 180_000;

describeWithBrokers('workers', ({ streams }) => {
  const apps: WorkersApp[] = [];
  const clients: StreambackClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
    for (const app of apps.splice(0)) {
      const workers = app.workers();
      await app.kill();
      try {
        await eventually('its workers are gone', () => !workers.some(isAlive), { timeoutMs: 30_000 });
      } finally {
        for (const pid of workers.filter(isAlive)) process.kill(pid, 'SIGKILL');
      }
    }
  });

  async function start({ runWorkers, ...options }: Omit<WorkersAppOptions, 'streams' | 'group'> = {}) {
    const group = freshName('workers');
    const app = await startWorkersApp({
      streams,
      group,
      runWorkers: { rescaleIntervalMs: 200, minWorkerAgeMs: 1_000, ...runWorkers },
      ...options,
    });
    apps.push(app);
    const client = new StreambackClient({ group: 'tests', topicsPrefix: group, streams });
    clients.push(client);
    await eventually('the parent is up', () => app.reports('up').length === 1, { timeoutMs: START_TIMEOUT_MS });
    return { app, client };
  }

  /** Resolves with the pids of the workers of a pattern, once there are so many and all serve. */
  const serving = (app: WorkersApp, pattern: string, count: number): Promise<number[]> =>
    eventually(
      `${count} workers of '${pattern}' serve`,
      () => {
        const pids = app.workers(pattern);
        const serve = pids.filter((pid) => app.reports('serving').some((each) => each.pid === pid));
        return pids.length === count && serve.length === count ? pids : undefined;
      },
      { timeoutMs: START_TIMEOUT_MS },
    );

  const emit = (client: StreambackClient, pattern: string, ...values: readonly number[]): Promise<unknown> =>
    Promise.all(values.map((value) => lastValueFrom(client.emit(pattern, value), { defaultValue: undefined })));

  const echo = (client: StreambackClient, value: number): Promise<{ value: number; pid: number }> =>
    lastValueFrom(client.send<{ value: number; pid: number }>('echo', value));

  /** Jobs that were begun, by what became of them. */
  const jobs = (app: WorkersApp, sent: number) => {
    const handled = app.reports('handled').map(({ id }) => id);
    const distinct = new Set(handled).size;
    return { sent, lost: sent - distinct, repeated: handled.length - distinct };
  };

  it(
    'a burst takes a topic of 4 partitions from 1 worker to 4 and back, though 8 are wanted; nothing is lost',
    async () => {
      const { app, client } = await start({
        partitions: 4,
        processes: [
          [20, 1],
          [1_000, 8],
        ],
        jobMs: 20,
      });
      await serving(app, 'jobs', 1);
      const ids = Array.from({ length: 2_000 }, (_, id) => id);
      await emit(client, 'jobs', ...ids);
      await serving(app, 'jobs', 4);
      let most = 4;
      await eventually(
        'all are handled',
        () => {
          most = Math.max(most, app.workers('jobs').length);
          return jobs(app, ids.length).lost === 0;
        },
        { timeoutMs: START_TIMEOUT_MS },
      );
      const [left] = await serving(app, 'jobs', 1);
      const counts = { ...jobs(app, ids.length), most };
      console.log(`a burst: ${JSON.stringify(counts)}\n${app.log().join('\n')}`);
      expect(counts).toMatchObject({ lost: 0, most: 4 });
      expect(counts.repeated).toBeLessThanOrEqual(ids.length / 100);
      expect(app.log().filter((line) => line.includes('4 partitions'))).toHaveLength(1);
      // The first is the last.
      expect(left).toBe(app.reports('starting').find(({ patterns }) => patterns?.includes('jobs'))?.pid);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'listeners share the pool but those with processes of their own, and the parent serves HTTP and handles nothing',
    async () => {
      const port = await freePort();
      const { app, client } = await start({ processes: 2, partitions: 2, port });
      const own = await serving(app, 'jobs', 2);
      const [pooled] = await serving(app, 'echo', 1);
      const patterns = app.reports('serving').map((each) => each.patterns?.join());
      expect(patterns.toSorted()).toEqual(['echo,other,freeze,crash', 'jobs', 'jobs']);
      expect(app.reports('serving').map(({ counter }) => counter)).toEqual(expect.arrayContaining([0, 1]));
      expect(await echo(client, 1)).toEqual({ value: 1, pid: pooled });
      expect(await lastValueFrom(client.send('other', 0))).toBe(pooled);
      const ids = Array.from({ length: 100 }, (_, id) => id);
      await emit(client, 'jobs', ...ids);
      await eventually('all are handled', () => jobs(app, ids.length).lost === 0);
      expect(new Set(app.reports('handled').map(({ pid }) => pid))).toEqual(new Set(own));
      expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
      expect(app.output).not.toContain('EADDRINUSE');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'SIGTERM, twice, drains every worker and then ends the parent by the same signal; nothing is handled again',
    async () => {
      const { app, client } = await start({ processes: 1, jobMs: 2_000, hooks: true });
      const workers = [...(await serving(app, 'jobs', 1)), ...(await serving(app, 'echo', 1))];
      await emit(client, 'jobs', 1, 2, 3);
      await eventually('they run', () => app.reports('begun').length === 3);
      process.kill(app.pid, 'SIGTERM');
      process.kill(app.pid, 'SIGTERM');
      expect(await app.exited).toEqual({ code: null, signal: 'SIGTERM' });
      expect(workers.filter(isAlive)).toEqual([]);
      expect(jobs(app, 3)).toEqual({ sent: 3, lost: 0, repeated: 0 });
      expect(app.output).not.toContain('ended by itself');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'SIGINT of a terminal, to the whole group, is the same',
    async () => {
      const { app, client } = await start({ processes: 1, jobMs: 2_000, hooks: true });
      const workers = [...(await serving(app, 'jobs', 1)), ...(await serving(app, 'echo', 1))];
      await emit(client, 'jobs', 1, 2, 3);
      await eventually('they run', () => app.reports('begun').length === 3);
      process.kill(-app.pid, 'SIGINT');
      expect(await app.exited).toEqual({ code: null, signal: 'SIGINT' });
      expect(workers.filter(isAlive)).toEqual([]);
      expect(jobs(app, 3)).toEqual({ sent: 3, lost: 0, repeated: 0 });
      expect(app.output).not.toContain('ended by itself');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'SIGTERM while workers start leaves none',
    async () => {
      const { app } = await start({ processes: 1 });
      const workers = await eventually('one starts', () => (app.workers().length > 0 ? app.workers() : undefined), {
        timeoutMs: START_TIMEOUT_MS,
      });
      expect(app.reports('serving')).toEqual([]);
      process.kill(app.pid, 'SIGTERM');
      expect(await app.exited).toEqual({ code: null, signal: 'SIGTERM' });
      expect([...workers, ...app.workers()].filter(isAlive)).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'beyond maxTotalMemoryBytes only the first worker of each set is started',
    async () => {
      const { app } = await start({ partitions: 4, processes: 4, runWorkers: { maxTotalMemoryBytes: 1, rescaleIntervalMs: 100 } });
      await serving(app, 'jobs', 1);
      await serving(app, 'echo', 1);
      await eventually('it is said', () => app.log().some((line) => line.includes('maxTotalMemoryBytes is reached')));
      expect(app.reports('starting').filter(({ patterns }) => patterns)).toHaveLength(2);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a frozen worker is replaced: stopped from outside, or blocked by its own handler',
    async () => {
      const { app, client } = await start({ runWorkers: { maxBlockedMs: 3_000 } });
      const [stopped] = await serving(app, 'echo', 1);
      process.kill(stopped!, 'SIGSTOP');
      const stoppedAt = performance.now();
      await eventually('it is gone', () => !isAlive(stopped!), { timeoutMs: 30_000 });
      const [blocked] = await serving(app, 'echo', 1);
      expect(await echo(client, 1)).toEqual({ value: 1, pid: blocked });
      const replacedMs = Math.round(performance.now() - stoppedAt);
      await emit(client, 'freeze', 1);
      await eventually('it blocks', () => app.reports('frozen').some(({ pid }) => pid === blocked));
      await eventually('it is gone', () => !isAlive(blocked!), { timeoutMs: 30_000 });
      await eventually('both are said', () => app.log().filter((line) => line.includes('its event loop was blocked')).length === 2);
      console.log(`a stopped worker: the next one answers after ${replacedMs} ms\n${app.log().join('\n')}`);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'SIGHUP replaces every worker without a gap in the answers',
    async () => {
      const { app, client } = await start({ partitions: 2, hooks: true, runWorkers: { pool: 2 } });
      const before = await serving(app, 'echo', 2);
      const answers: { value: number; pid: number; tookMs: number }[] = [];
      const failures: unknown[] = [];
      let sent = 0;
      let isOver = false;
      const load = Array.from({ length: 8 }, async () => {
        while (!isOver) {
          const value = sent++;
          const sentAt = performance.now();
          await echo(client, value).then(
            (answer) => answers.push({ ...answer, tookMs: Math.round(performance.now() - sentAt) }),
            (error: unknown) => failures.push(error),
          );
        }
      });
      await eventually('both answer', () => before.every((pid) => answers.some((each) => each.pid === pid)));
      process.kill(app.pid, 'SIGHUP');
      await eventually('it is over', () => app.log().some((line) => line.includes('The rolling restart is over')), {
        timeoutMs: START_TIMEOUT_MS,
      });
      const after = await serving(app, 'echo', 2);
      await eventually('both answer', () => after.every((pid) => answers.some((each) => each.pid === pid)));
      isOver = true;
      await Promise.all(load);
      const wrong = answers.filter(({ value }, at) => answers.findIndex((other) => other.value === value) !== at).length;
      const slowestMs = Math.max(...answers.map(({ tookMs }) => tookMs));
      console.log(
        `SIGHUP: ${JSON.stringify({ sent, answered: answers.length, failed: failures.length, twice: wrong, slowestMs })}\n${app.log().join('\n')}`,
      );
      expect(failures).toEqual([]);
      expect(answers).toHaveLength(sent);
      expect(after.filter((pid) => before.includes(pid))).toEqual([]);
      expect(before.filter(isAlive)).toEqual([]);
      expect(isAlive(app.pid)).toBe(true);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'onWorkerStart is over before a worker takes its first message; the parent hears of ticks, and each worker tells its figures',
    async () => {
      const { app, client } = await start({ lifecycle: true, processes: 1 });
      await emit(client, 'jobs', 1, 2, 3);
      const [own] = await serving(app, 'jobs', 1);
      await serving(app, 'echo', 1);
      await eventually('all are handled', () => jobs(app, 3).lost === 0);
      const lines = app.output.split('\n').filter((line) => line.startsWith('{"type"'));
      const ofOwn = lines.map((line) => JSON.parse(line) as { type: string; pid: number }).filter(({ pid }) => pid === own);
      const types = ofOwn.map(({ type }) => type).filter((type) => type !== 'stats');
      expect(types.slice(0, 4)).toEqual(['starting', 'started', 'serving', 'begun']);
      expect(app.reports('started').map(({ patterns }) => patterns)).toEqual(expect.arrayContaining([['jobs']]));
      expect(app.reports('started')).toHaveLength(2);
      // Only the parent has ticks, and only workers have figures.
      expect(new Set(app.reports('tick').map(({ pid }) => pid))).toEqual(new Set([app.pid]));
      // The last tick may be from before the second worker was ready.
      const lastTick = () => app.reports('tick').at(-1)!.tick!;
      await eventually('that nothing waits and all serve is told', () => {
        const { lag, workers } = lastTick();
        return lag === 0 && workers.every(({ status }) => status === 'serving');
      });
      const { workers } = lastTick();
      expect(workers.map(({ pid }) => pid).toSorted()).toEqual(app.workers().toSorted());
      expect(workers.every(({ status, ageMs, rssBytes }) => status === 'serving' && ageMs > 500 && rssBytes > 10_000_000)).toBe(true);
      const figures = () => app.reports('stats').flatMap(({ pid, stats }) => (pid === own ? [stats!] : []));
      await eventually('its figures', () => figures().reduce((sum, { listeners }) => sum + listeners[0]!.handled, 0) === 3);
      expect(figures()[0]).toMatchObject({ worker: { counter: 0, patterns: ['jobs'] }, listeners: [{ pattern: 'jobs', failed: 0 }] });
      await eventually('nothing is left', () => figures().at(-1)!.listeners[0]!.lag === 0);
      expect(app.reports('stats').some(({ pid }) => pid === app.pid)).toBe(false);
      expect(app.output).toMatch(/\[Streamback:stats\] .*Worker \d+, jobs: 3 handled in/);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'AutoRestart replaces workers by their age, one at a time over all sets, and nothing is lost or handled twice',
    async () => {
      const autoRestart = { maxAgeMs: 6_000, checkIntervalMs: 200 };
      const { app, client } = await start({ lifecycle: true, autoRestart, processes: 2, partitions: 2, jobMs: 20 });
      const before = [...(await serving(app, 'jobs', 2)), ...(await serving(app, 'echo', 1))];
      const firstFull = app.reports('tick').length;
      let sent = 0;
      let isOver = false;
      // As much as they can do, and no backlog, which a draining worker would give back.
      const load = (async () => {
        while (!isOver) {
          await emit(client, 'jobs', ...Array.from({ length: 10 }, () => sent++));
          await eventually('they keep up', () => isOver || app.reports('handled').length > sent - 30, { timeoutMs: START_TIMEOUT_MS });
        }
      })();
      await eventually('all are replaced', () => !before.some(isAlive), { timeoutMs: START_TIMEOUT_MS }).finally(() => (isOver = true));
      await load;
      await eventually('all are handled', () => jobs(app, sent).lost === 0, { timeoutMs: START_TIMEOUT_MS });
      const counts = jobs(app, sent);
      const ticks = app
        .reports('tick')
        .slice(firstFull + 1)
        .map(({ tick }) => tick!.workers);
      const fewest = Math.min(...ticks.map((workers) => workers.filter(({ status }) => status === 'serving').length));
      const most = Math.max(...ticks.map((workers) => workers.length));
      console.log(
        `AutoRestart: ${JSON.stringify({ ...counts, fewest, most })}\n${app.output.match(/Worker \d+ .* is replaced: .*/g)?.join('\n')}`,
      );
      expect(counts).toEqual({ sent, lost: 0, repeated: 0 });
      expect([fewest, most]).toEqual([3, 4]);
      expect(app.output).not.toContain('ended by itself');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'a worker whose bootstrap throws is tried again, later and later, and its reason is said',
    async () => {
      const { app } = await start({ failing: 'worker' });
      await eventually('three tries', () => app.log().filter((line) => line.includes('no such table')).length >= 3, {
        timeoutMs: START_TIMEOUT_MS,
      });
      expect(isAlive(app.pid)).toBe(true);
      const delays = app.log().flatMap((line) => /the next is started in (\d+) ms/.exec(line)?.[1] ?? []);
      expect(Number(delays[2])).toBeGreaterThan(1.5 * Number(delays[0]));
    },
    TEST_TIMEOUT_MS,
  );
});
