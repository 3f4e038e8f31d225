import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, describe, expect, it } from 'vitest';
import { slotId } from '../../lib/scheduler/schedule-runner';
import { startApp, type AppProcess } from '../support/app-process';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { Random } from '../support/random';
import { describeWithBrokers } from '../support/servers';
import { simulate, type ScheduleCounts } from './schedule-simulation';

const FULL_SIZE = process.env.STREAMBACK_FULL === '1';
const SEED = Number(process.env.STREAMBACK_TEST_SEED ?? 23);

const report = (what: string, counts: object): void =>
  console.log(
    `R23: ${what}: ${Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );

describe('R23: schedules of five processes, on clocks that the test turns', () => {
  const [ticks, schedules] = FULL_SIZE ? [2_500, 50] : [50, 12];

  it.each([
    ['Europe/Berlin', 'leaps', '2027-03-28T01:00:00Z'],
    ['Europe/Berlin', 'goes back', '2026-10-25T01:00:00Z'],
    ['America/New_York', 'leaps', '2027-03-14T07:00:00Z'],
    ['Australia/Lord_Howe', 'goes back by half an hour', '2027-04-03T15:00:00Z'],
  ])(
    'where the clock of %s %s: none is missed, none comes twice but for a kill or a pause',
    async (zone, what, change) => {
      const counts: ScheduleCounts = await simulate(Date.parse(change), zone, ticks, schedules, new Random(SEED + Date.parse(change)));
      report(`${zone} ${what}, seed ${SEED}`, counts);
      expect(counts).toMatchObject({ missed: 0, twiceUnexplained: 0, otherIds: 0 });
      expect(counts.due).toBeGreaterThanOrEqual(ticks);
      expect(counts.sent + counts.passedOver).toBe(counts.due);
      expect(counts.kills + counts.pauses).toBeGreaterThan(0);
    },
    600_000,
  );
});

describeWithBrokers('R23: schedules of five processes, on Redis and Kafka', ({ kafkaUrl, streams }) => {
  const NAMES = ['one', 'two', 'three', 'four'];
  const [runMs, between] = FULL_SIZE ? [120_000, 2_000] : [15_000, 1_500];
  const apps: AppProcess[] = [];
  afterEach(() => Promise.all(apps.splice(0).map((app) => app.kill())));

  it('with SIGKILL, SIGSTOP and clocks that are wrong: none is missed, none comes twice but for a kill or a pause', async () => {
    const random = new Random(SEED);
    const group = freshName('r23');
    const kafka = new Kafka({ brokers: [kafkaUrl.replace('kafka://', '')], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    await createTopics(admin, { topic: `${group}.tick`, numPartitions: 1 });
    await admin.disconnect();
    const consumer = kafka.consumer({ groupId: `${group}.reader` });
    const copies = new Map<string, number>();
    await consumer.connect();
    await consumer.subscribe({ topic: `${group}.tick`, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        const { id } = JSON.parse(String(message.value)) as { id: string };
        copies.set(id, (copies.get(id) ?? 0) + 1);
      },
    });

    const start = async (): Promise<AppProcess> => {
      const skewMs = Math.round((random.next() - 0.5) * 60_000);
      const app = await startApp('test/fault/apps/schedules.app.ts', { args: [streams, group, NAMES.join(), String(skewMs)] });
      apps.push(app);
      await app.next('ready', 60_000);
      return app;
    };
    const running = await Promise.all(Array.from({ length: 5 }, start));
    const first = Math.ceil(Date.now() / 1_000) * 1_000 + 2_000;
    const counts = { kills: 0, pauses: 0 };
    const resuming: Promise<void>[] = [];
    while (Date.now() < first + runMs) {
      await pause(between);
      const at = random.below(running.length);
      const app = running[at]!;
      if (random.below(2) === 0) {
        counts.kills += 1;
        await app.kill('SIGKILL');
        running[at] = await start();
      } else {
        counts.pauses += 1;
        await app.kill('SIGSTOP');
        resuming.push(pause(1_000 + random.below(7_000)).then(() => app.kill('SIGCONT')));
      }
    }
    await Promise.all(resuming);
    const last = Math.floor(Date.now() / 1_000) * 1_000;
    const idOf = (name: string, slot: number) => slotId(`${group}.${group}`, name, slot);
    const due = NAMES.flatMap((name) => Array.from({ length: (last - first) / 1_000 + 1 }, (_, at) => idOf(name, first + at * 1_000)));
    const missing = () => due.filter((id) => !copies.has(id)).length;
    await eventually('all have come', () => missing() === 0, { timeoutMs: 60_000 }).catch(() => undefined);
    for (const app of apps.splice(0)) await app.kill();
    await consumer.disconnect();

    const around = NAMES.flatMap((name) => Array.from({ length: 600 }, (_, at) => idOf(name, first + (at - 300) * 1_000)));
    const known = new Set([...due, ...around]);
    const twice = [...copies.values()].reduce((sum, count) => sum + count - 1, 0);
    const otherIds = [...copies.keys()].filter((id) => !known.has(id)).length;
    report(`real processes, seed ${SEED}`, {
      ...counts,
      due: due.length,
      sent: due.length - missing(),
      missed: missing(),
      twice,
      otherIds,
    });
    expect({ missed: missing(), otherIds }).toEqual({ missed: 0, otherIds: 0 });
    // A process that is lost can be between claim and acknowledgement of each of its schedules.
    expect(twice).toBeLessThanOrEqual((counts.kills + counts.pauses) * NAMES.length);
    expect(counts.kills + counts.pauses).toBeGreaterThan(0);
  }, 600_000);
});
