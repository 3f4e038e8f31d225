import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import type { StreambackModuleOptions } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene, wait } from './apps';
import type { TaskEntry } from './apps/tasks.app';
import { TaskFile, TaskLoad } from './tasks';

const KILLS = FULL_SIZE ? 100 : 5;
const BATCH_KILLS = FULL_SIZE ? 50 : 3;
const PARTITIONS = 2;
const MAX_IN_FLIGHT = 20;
const MAX_UNCOMMITTED = 100;
const COMMIT_INTERVAL_MS = 300;
const PER_SECOND = 200;

const place = ({ partition, offset }: Pick<TaskEntry, 'partition' | 'offset'>): string => `${partition}:${offset}`;

/** Of one process that was killed: what it had in its hands, and what it had done that was not committed. */
function repeatable(entries: readonly TaskEntry[], committed: ReadonlyMap<number, number>, killedAt: number) {
  const open = entries.filter(({ partition, offset }) => offset >= (committed.get(partition) ?? 0));
  const done = new Map(open.flatMap((entry) => (entry.step === 'done' ? [[place(entry), entry.at] as const] : [])));
  const inFlight = open.filter((entry) => entry.step === 'begun' && !done.has(place(entry)));
  // What was done and could have been committed: without a gap behind the commit.
  let oldestMs = 0;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const at = done.get(place({ partition, offset: committed.get(partition) ?? 0 }));
    if (at !== undefined) oldestMs = Math.max(oldestMs, killedAt - at);
  }
  return { places: new Set(open.map(place)), inFlight: inFlight.length, uncommitted: done.size, oldestMs };
}

describeWith(['kafka', 'own-redis'], 'R2 a consumer killed inside a handler', ({ kafkaUrl }) => {
  const scene = new Scene();
  afterEach(() => scene.close());

  async function committedOf(group: string, topic: string): Promise<Map<number, number>> {
    const admin = new Kafka({ brokers: [new URL(kafkaUrl).host], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const [offsets] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
    await admin.disconnect();
    return new Map(offsets!.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]));
  }

  it(
    `SIGKILL ${KILLS} times: 0 lost; run again is at most what was in flight or handled since the last commit`,
    { timeout: KILLS * 20_000 + 60_000 },
    async () => {
      const redis = await scene.redis();
      const group = freshName('killed');
      const options: StreambackModuleOptions = {
        group,
        topicsPrefix: group,
        streams: `main=${kafkaUrl}&feedback=${redis.url}`,
        maxInFlight: MAX_IN_FLIGHT,
        kafka: {
          partitions: PARTITIONS,
          commitIntervalMs: COMMIT_INTERVAL_MS,
          maxUncommitted: MAX_UNCOMMITTED,
          consumer: { sessionTimeout: 1_500, heartbeatInterval: 300 },
        },
      };
      const file = new TaskFile(scene);
      let app = await scene.app('tasks', options, file.path);
      // Some hold the commit back, so that much is handled ahead of it; not for longer than a process lives, or none would get on.
      const load = new TaskLoad(scene, options, file, PER_SECOND, (id) => (id % 50 === 0 ? 300 : 5 + (id % 20)));
      const most = { again: 0, inFlight: 0, uncommitted: 0, oldestMs: 0 };
      let [kills, again, unexpected] = [0, 0, 0];
      let mayRepeat = new Set<string>();
      const seen = new Map<string, number>();

      /** Notes what the process has run that others had run before. */
      const judge = (pid: number): TaskEntry[] => {
        const own = file.entries().filter((entry) => entry.pid === pid);
        const repeated = own.filter((entry) => entry.step === 'begun' && seen.has(place(entry)));
        again += repeated.length;
        most.again = Math.max(most.again, repeated.length);
        unexpected += repeated.filter((entry) => !mayRepeat.delete(place(entry))).length;
        for (const entry of own) if (entry.step === 'begun') seen.set(place(entry), (seen.get(place(entry)) ?? 0) + 1);
        return own;
      };

      while (kills < KILLS) {
        const { pid } = app;
        await eventually('it works', () => file.entries().some((entry) => entry.pid === pid && entry.step === 'done'), {
          timeoutMs: 30_000,
          intervalMs: 50,
        });
        await wait(200 + Math.random() * 800);
        const killedAt = Date.now();
        await app.kill('SIGKILL');
        const own = judge(pid);
        const open = repeatable(own, await committedOf(group, `${group}.task`), killedAt);
        if (open.inFlight > 0) kills += 1;
        // What an earlier process left and this one did not come to is still to be repeated.
        mayRepeat = new Set([...mayRepeat, ...open.places]);
        most.inFlight = Math.max(most.inFlight, open.inFlight);
        most.uncommitted = Math.max(most.uncommitted, open.uncommitted);
        most.oldestMs = Math.max(most.oldestMs, open.oldestMs);
        app = await scene.app('tasks', options, file.path);
      }
      await load.stop();
      const lost = await file.lost(load);
      judge(app.pid);
      report('R2', {
        kills,
        tasks: load.acknowledged.size,
        lost,
        runAgain: again,
        runAgainBeyondTheBound: unexpected,
        mostRunAgainAfterAKill: most.again,
        mostInFlight: most.inFlight,
        mostHandledAheadOfTheCommit: most.uncommitted,
        oldestCommittableMs: most.oldestMs,
      });
      expect({ lost, unexpected }).toEqual({ lost: 0, unexpected: 0 });
      expect(most.inFlight).toBeLessThanOrEqual(MAX_IN_FLIGHT);
      expect(most.uncommitted).toBeLessThanOrEqual(PARTITIONS * MAX_UNCOMMITTED);
      expect(most.again).toBeLessThanOrEqual(MAX_IN_FLIGHT + PARTITIONS * MAX_UNCOMMITTED);
      expect(most.oldestMs).toBeLessThanOrEqual(COMMIT_INTERVAL_MS + 1_000);
    },
  );

  it(`SIGKILL ${BATCH_KILLS} times inside a batch: 0 lost`, { timeout: BATCH_KILLS * 20_000 + 60_000 }, async () => {
    const redis = await scene.redis();
    const group = freshName('killed');
    const options: StreambackModuleOptions = {
      group,
      topicsPrefix: group,
      streams: `main=${kafkaUrl}&feedback=${redis.url}`,
      kafka: {
        partitions: PARTITIONS,
        commitIntervalMs: COMMIT_INTERVAL_MS,
        consumer: { sessionTimeout: 1_500, heartbeatInterval: 300 },
      },
    };
    const file = new TaskFile(scene);
    let app = await scene.app('tasks', options, file.path);
    const load = new TaskLoad(scene, options, file, PER_SECOND, (id) => 5 + (id % 20), 'batched');
    let inABatch = 0;
    while (inABatch < BATCH_KILLS) {
      const { pid } = app;
      const own = (): TaskEntry[] => file.entries().filter((entry) => entry.pid === pid);
      await eventually('it works', () => own().some(({ step }) => step === 'done'), { timeoutMs: 30_000, intervalMs: 50 });
      await wait(200 + Math.random() * 300);
      await app.kill('SIGKILL');
      const done = new Set(own().flatMap((entry) => (entry.step === 'done' ? [place(entry)] : [])));
      if (own().some((entry) => entry.step === 'begun' && !done.has(place(entry)))) inABatch += 1;
      app = await scene.app('tasks', options, file.path);
    }
    await load.stop();
    const lost = await file.lost(load);
    const again = file.entries().filter(({ step }) => step === 'begun').length - new Set(file.entries().map(place)).size;
    report('R2, batches', { kills: inABatch, tasks: load.acknowledged.size, lost, runAgain: again });
    expect(lost).toBe(0);
  });
});
