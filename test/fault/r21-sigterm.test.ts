import { afterEach, expect, it } from 'vitest';
import { StreambackClient, type StreambackModuleOptions } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene, tally, wait } from './apps';
import { TaskFile, TaskLoad } from './tasks';

const ROUNDS = FULL_SIZE ? 100 : 5;
/** In each fifth round handlers are at work that are longer than the default `drainTimeoutMs`. */
const LONG_EVERY = 5;
const LONG_MS = 15_000;
const REQUESTS = 10;

describeWith(['kafka', 'own-redis'], 'R21 SIGTERM under load', ({ kafkaUrl }) => {
  const scene = new Scene();
  afterEach(() => scene.close());

  it(
    `${ROUNDS} times: exit within 10 s, 0 lost, no handler finds its provider closed`,
    { timeout: ROUNDS * 15_000 + 120_000 },
    async () => {
      const redis = await scene.redis();
      const group = freshName('term');
      const options: StreambackModuleOptions = {
        group,
        topicsPrefix: group,
        streams: `main=${kafkaUrl}&feedback=${redis.url}`,
        kafka: { partitions: 2, consumer: { sessionTimeout: 6_000 } },
      };
      const file = new TaskFile(scene);
      const client = new StreambackClient({ ...options, group: 'caller' });
      scene.closers.push(() => client.close());
      /** Of the requests, by their id. */
      const ends = new Map<number, string>();
      const request = (id: number, ms: number): void =>
        void client.send<number>('request', { id, ms }).subscribe({
          error: (error: { code?: string }) => ends.set(id, error.code ?? 'an error without code'),
          complete: () => ends.set(id, 'complete'),
        });

      let app = await scene.app('tasks', options, file.path);
      const load = new TaskLoad(scene, options, file, 200, (id) => id % 300);
      let requested = 0;
      let slowestExitMs = 0;
      let badExits = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const { pid } = app;
        const long = round % LONG_EVERY === LONG_EVERY - 1;
        // Negative ids are the requests'. They have begun to answer when the signal comes.
        for (let each = 0; each < REQUESTS; each++) request(-++requested, long && each === 0 ? LONG_MS : 500);
        await eventually(
          'the requests are at work',
          () => file.entries().filter((entry) => entry.pid === pid && entry.id < 0 && entry.id >= -requested).length >= REQUESTS,
          { timeoutMs: 30_000 },
        );
        await wait(Math.random() * 300);
        const termAt = performance.now();
        const ending = app.kill('SIGTERM');
        const [next] = await Promise.all([scene.app('tasks', options, file.path), ending]);
        const { code, signal } = await app.exited;
        slowestExitMs = Math.max(slowestExitMs, Math.round(performance.now() - termAt));
        if (code !== 0 && signal !== 'SIGTERM') badExits += 1;
        app = next;
      }
      await load.stop();
      const lost = await file.lost(load);
      await eventually('the requests have ended', () => ends.size === requested, { timeoutMs: 70_000 }).catch(() => undefined);
      const unfinished = (): number => {
        const entries = file.entries();
        return 2 * entries.filter(({ step }) => step === 'begun').length - entries.length;
      };
      await eventually('whatever was begun has ended', () => unfinished() === 0, { timeoutMs: 5_000 }).catch(() => undefined);
      const entries = file.entries();
      const aborted = entries.filter(({ step }) => step === 'aborted');
      const done = new Set(entries.flatMap(({ step, id }) => (step === 'done' ? [id] : [])));
      // A request that had answered errs at its client, and need not be done for nobody.
      const notAgain = aborted.filter(({ id }) => !done.has(id) && (id >= 0 || ends.get(id) === 'complete'));
      const counts = {
        sigterms: ROUNDS,
        slowestExitMs,
        badExits,
        tasks: load.acknowledged.size,
        lost,
        doneTwice: entries.filter(({ step, id }) => step === 'done' && id >= 0).length - load.acknowledged.size,
        requests: requested,
        requestEnds: tally(ends.values()),
        aborted: aborted.length,
        abortedAndNotDoneAgain: notAgain.length,
        unfinished: unfinished(),
        providerUsedAfterItsClose: entries.filter(({ step }) => step === 'closed').length,
      };
      report('R21', counts);
      expect(counts).toMatchObject({
        badExits: 0,
        lost: 0,
        abortedAndNotDoneAgain: 0,
        unfinished: 0,
        providerUsedAfterItsClose: 0,
      });
      expect(slowestExitMs).toBeLessThanOrEqual(10_000);
      expect(ends.size).toBe(requested);
    },
  );
});
