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
      const ends: string[] = [];
      const request = (id: number, ms: number): void =>
        void client.send<number>('request', { id, ms }).subscribe({
          error: (error: { code?: string }) => ends.push(error.code ?? 'an error without code'),
          complete: () => ends.push('complete'),
        });

      let app = await scene.app('tasks', options, file.path);
      const load = new TaskLoad(scene, options, 200, (id) => id % 300);
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
      await eventually('all is done', () => file.lost(load.acknowledged).length === 0, { timeoutMs: 60_000, intervalMs: 200 }).catch(
        () => undefined,
      );
      await eventually('the requests have ended', () => ends.length === requested, { timeoutMs: 70_000 }).catch(() => undefined);
      const unfinished = (): number => {
        const begun = file.entries().filter(({ step }) => step === 'begun').length;
        return 2 * begun - file.entries().length;
      };
      await eventually('whatever was begun has ended', () => unfinished() === 0, { timeoutMs: 5_000 }).catch(() => undefined);
      const entries = file.entries();
      const aborted = entries.filter(({ step }) => step === 'aborted');
      const begun = new Map<string, number>();
      for (const { step, partition, offset, id } of entries) {
        if (step === 'begun') begun.set(`${id}:${partition}:${offset}`, (begun.get(`${id}:${partition}:${offset}`) ?? 0) + 1);
      }
      const notAgain = aborted.filter(({ id, partition, offset }) => begun.get(`${id}:${partition}:${offset}`)! < 2);
      const counts = {
        sigterms: ROUNDS,
        slowestExitMs,
        badExits,
        tasks: load.acknowledged.size,
        lost: file.lost(load.acknowledged).length,
        doneTwice: entries.filter(({ step, id }) => step === 'done' && id >= 0).length - new Set(load.acknowledged).size,
        requests: requested,
        requestEnds: tally(ends),
        aborted: aborted.length,
        abortedAndNotDeliveredAgain: notAgain.length,
        unfinished: unfinished(),
        providerUsedAfterItsClose: entries.filter(({ step }) => step === 'closed').length,
      };
      report('R21', counts);
      expect(counts).toMatchObject({
        badExits: 0,
        lost: 0,
        abortedAndNotDeliveredAgain: 0,
        unfinished: 0,
        providerUsedAfterItsClose: 0,
      });
      expect(slowestExitMs).toBeLessThanOrEqual(10_000);
      expect(ends.length).toBe(requested);
    },
  );
});
