import type { Plan } from './plan';
import { Simulation } from './simulation';
import { Trace } from './trace';

/** A smaller plan that breaks the same promise: without the messages and the faults that it does not need. A plan that breaks none stays. */
export async function shrink(plan: Plan): Promise<Plan> {
  const broken = async (tried: Plan): Promise<string | undefined> =>
    (await new Simulation(tried, new Trace('off')).run()).violation?.promise;
  const promise = await broken(plan);
  if (promise === undefined) return plan;
  let smallest = plan;
  for (const part of ['faults', 'sends'] as const) {
    for (const each of plan[part]) {
      const tried: Plan = { ...smallest, [part]: (smallest[part] as readonly unknown[]).filter((other) => other !== each) };
      if ((await broken(tried)) === promise) smallest = tried;
    }
  }
  return smallest;
}
