import { afterEach, expect, it } from 'vitest';
import { StreambackClient, StreambackRecordBuilder } from '../../lib';
import { startApp, type AppProcess } from '../support/app-process';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';

const LEASE_MS = 1_000;
const LANES = process.env.STREAMBACK_FULL === '1' ? 100 : 10;
const UP_TO = 400;

interface Answer {
  readonly name: string;
  readonly n: number;
}

/** What a reader that starts over at each restart has in the end. */
interface Reading {
  answers: Answer[];
  restarts: number[];
  /** Answers of another attempt than those before, or out of order. */
  mixed: number;
  end?: unknown;
}

describeWithBrokers('R3 a consumer that dies in the middle of streams, where readers asked to see the restart', ({ streams }) => {
  const apps: AppProcess[] = [];
  const clients: StreambackClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
    for (const app of apps.splice(0)) await app.kill();
  });

  it(`${LANES} lanes: each is told once, and has the whole stream from 0`, { timeout: 120_000 }, async () => {
    const group = freshName('restart');
    const service = async (name: string): Promise<AppProcess> => {
      const app = await startApp('test/fault/apps/counting-service.app.ts', { args: [streams, group, String(LEASE_MS), name] });
      apps.push(app);
      await app.next('ready', 60_000);
      return app;
    };
    const first = await service('first');
    const client = new StreambackClient({ group: 'reader', topicsPrefix: group, streams, leaseMs: LEASE_MS });
    clients.push(client);
    const readings = Array.from({ length: LANES }, (_each, id) => {
      const reading: Reading = { answers: [], restarts: [], mixed: 0 };
      const onRestart = (attempt: number): void => {
        reading.restarts.push(attempt);
        reading.answers = [];
      };
      const take = (answer: Answer): void => {
        const { answers } = reading;
        if (answer.n !== answers.length || answer.name !== (answers[0] ?? answer).name) reading.mixed += 1;
        answers.push(answer);
      };
      const record = new StreambackRecordBuilder({ upTo: UP_TO, everyMs: 10 }).setTimeoutMs(90_000).setOnRestart(onRestart).build();
      // Half of them pushed, half of them pulled.
      if (id % 2 === 0) {
        client.send<Answer>('count', record).subscribe({
          next: take,
          error: (error: unknown) => (reading.end = error),
          complete: () => (reading.end = 'complete'),
        });
      } else {
        const lane = client.open<Answer>('count', record);
        void (async () => {
          for await (const answer of lane) take(answer);
          reading.end = lane.attempt === 2 ? 'complete' : `attempt ${lane.attempt}`;
        })().catch((error: unknown) => (reading.end = error));
      }
      return reading;
    });
    await eventually('all are read', () => readings.every(({ answers }) => answers.length > 10), { timeoutMs: 30_000 });
    const killedAt = performance.now();
    await first.kill('SIGKILL');
    await service('second');
    await eventually('all have ended', () => readings.every(({ end }) => end !== undefined), { timeoutMs: 60_000 });
    const mixed = readings.reduce((sum, reading) => sum + reading.mixed, 0);
    const whole = readings.filter(({ answers, end }) => answers.length === UP_TO && answers[0]!.name === 'second' && end === 'complete');
    console.log(
      `R3: ${LANES} lanes whose consumer was killed in mid-stream, ${readings.filter(({ restarts }) => restarts.length === 1).length} told once, ` +
        `${whole.length} whole from 0, ${mixed} mixed attempts, after ${Math.round(performance.now() - killedAt)} ms`,
    );
    expect(readings.map(({ end }) => end)).toEqual(readings.map(() => 'complete'));
    expect(readings.map(({ restarts }) => restarts)).toEqual(readings.map(() => [2]));
    expect(whole).toHaveLength(LANES);
    expect(mixed).toBe(0);
  });
});
