import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planOf } from './plan';
import { shrink } from './shrink';
import { Simulation, type Outcome } from './simulation';
import { describeSweep, sweep } from './sweep';
import { Trace } from './trace';
import { installVirtualTime } from './virtual-time';

const SEEDS = Number(process.env.STREAMBACK_SIMULATION_SEEDS ?? 1_000);
const REPLAYED = process.env.STREAMBACK_TEST_SEED;

const run = (seed: number, trace: Trace): Promise<Outcome> => new Simulation(planOf(seed), trace).run();

describe('simulation', () => {
  let uninstall: () => void;
  beforeAll(() => (uninstall = installVirtualTime(REPLAYED !== undefined)));
  afterAll(() => uninstall());

  it(`keeps its promises in ${SEEDS} schedules`, { timeout: 120_000 + SEEDS * 50 }, async () => {
    const result = await sweep(1, SEEDS);
    console.log(describeSweep(result));
    expect(result.failed).toEqual([]);
  });

  it('is the same for the same seed', async () => {
    const hashes = new Set<string>();
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const [one, other] = [await run(seed, new Trace('hash')), await run(seed, new Trace('hash'))];
      expect(other).toEqual(one);
      hashes.add(one.hash);
    }
    expect(hashes.size).toBe(8);
  });

  it.runIf(REPLAYED)(`replays seed ${REPLAYED}`, { timeout: 120_000 }, async () => {
    const whole = planOf(Number(REPLAYED));
    const plan = await shrink(whole);
    const trace = new Trace('lines');
    const { violation } = await new Simulation(plan, trace).run();
    console.log(trace.lines.join('\n'));
    console.log(`${plan.sends.length} of ${whole.sends.length} messages, ${plan.faults.length} of ${whole.faults.length} faults`);
    expect(violation).toBeUndefined();
  });
});
