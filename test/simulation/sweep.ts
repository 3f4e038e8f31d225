import { planOf } from './plan';
import { Simulation } from './simulation';
import { Trace } from './trace';

/** What many schedules came to. */
export interface Sweep {
  readonly schedules: number;
  readonly steps: number;
  readonly executions: number;
  /** How lanes ended, and how often. */
  readonly lanes: Readonly<Record<string, number>>;
  /** A line for each seed whose schedule broke a promise. */
  readonly failed: readonly string[];
  readonly cpuSeconds: number;
}

/** Runs schedules, a seed each, until so many have broken a promise. */
export async function sweep(first: number, count: number, maxFailures = 10): Promise<Sweep> {
  const before = process.cpuUsage();
  const lanes: Record<string, number> = {};
  const failed: string[] = [];
  let [schedules, steps, executions] = [0, 0, 0];
  for (let seed = first; seed < first + count && failed.length < maxFailures; seed++) {
    const outcome = await new Simulation(planOf(seed), new Trace('off')).run();
    schedules += 1;
    steps += outcome.steps;
    executions += outcome.executions;
    for (const lane of outcome.lanes) lanes[lane] = (lanes[lane] ?? 0) + 1;
    if (outcome.violation) failed.push(`seed ${seed}: ${outcome.violation.promise}: ${outcome.violation.text}`);
  }
  const { user, system } = process.cpuUsage(before);
  return { schedules, steps, executions, lanes, failed, cpuSeconds: (user + system) / 1e6 };
}

export function describeSweep({ schedules, steps, executions, lanes, failed, cpuSeconds }: Sweep): string {
  const rate = `${cpuSeconds.toFixed(1)} s of CPU, ${(schedules / cpuSeconds).toFixed(0)}/s`;
  return `${schedules} schedules (${rate}), ${failed.length} failed, ${steps} steps, ${executions} executions, lanes ${JSON.stringify(lanes)}`;
}
