import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planOf } from './plan';
import { Simulation, type Outcome } from './simulation';
import { Trace } from './trace';
import { installVirtualTime } from './virtual-time';

const SEEDS = Number(process.env.STREAMBACK_SIMULATION_SEEDS ?? 1_000);
const FIRST = Number(process.env.STREAMBACK_SIMULATION_FIRST ?? 1);
const REPLAYED = process.env.STREAMBACK_TEST_SEED;

const run = (seed: number, trace = new Trace('off')): Promise<Outcome> => new Simulation(planOf(seed), trace).run();

describe('simulation', () => {
  let uninstall: () => void;
  beforeAll(() => (uninstall = installVirtualTime(REPLAYED !== undefined)));
  afterAll(() => uninstall());

  it(`keeps its promises in ${SEEDS} schedules`, { timeout: 60_000 + SEEDS * 20 }, async () => {
    const before = process.cpuUsage();
    const lanes: Record<string, number> = {};
    const failed: string[] = [];
    let steps = 0;
    let executions = 0;
    let done = 0;
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const outcome = await run(seed);
      done += 1;
      steps += outcome.steps;
      executions += outcome.executions;
      for (const lane of outcome.lanes) lanes[lane] = (lanes[lane] ?? 0) + 1;
      if (outcome.violation) failed.push(`seed ${seed}: ${outcome.violation.promise}: ${outcome.violation.text}`);
      if (failed.length >= Number(process.env.STREAMBACK_SIMULATION_FAILURES ?? 10)) break;
    }
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    console.log(`${done} schedules in ${seconds.toFixed(1)} s of CPU (${(done / seconds).toFixed(0)}/s), ${steps} steps, ${executions} executions`, lanes);
    expect(failed).toEqual([]);
  });

  it('is the same for the same seed', async () => {
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const [one, other] = [await run(seed, new Trace('hash')), await run(seed, new Trace('hash'))];
      expect(other).toEqual(one);
    }
  });

  it.runIf(REPLAYED)(`replays seed ${REPLAYED}`, async () => {
    const trace = new Trace('lines');
    const { violation } = await run(Number(REPLAYED), trace);
    console.log(trace.lines.join('\n'));
    expect(violation).toBeUndefined();
  });
});
