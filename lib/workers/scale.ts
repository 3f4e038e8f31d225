import { invalidOption } from '../common/option-rules';

/**
 * How many worker processes: a number; `[min, max]`, one more than `min` from the first message on and another for each further 1,000 of
 * lag; or steps of `[lag, processes]`, of which the first counts whose lag is not below the current one, else the last.
 */
export type StreambackProcesses = number | readonly [min: number, max: number] | readonly (readonly [lag: number, processes: number])[];

/** More of one set are never started, as in Python streamback. */
const MAX_PROCESSES = 50;
/** Lag between two steps of `[min, max]`. */
const STEP_LAG = 1_000;

/** The steps of a scale, by rising lag. */
export type Scale = readonly (readonly [lag: number, processes: number])[];

/**
 * `undefined` where no processes of its own are asked for: 0 or an empty array, as in Python streamback.
 * @param option its path, for the error. @throws StreambackConfigError INVALID_OPTION
 */
export function scaleOf(processes: unknown, option: string): Scale | undefined {
  if (processes === 0) return undefined;
  if (isCount(processes)) return [[0, capped(processes)]];
  if (Array.isArray(processes)) {
    if (processes.length === 0) return undefined;
    const list = processes as readonly unknown[];
    if (list.every(isStep)) return list.map(([lag, count]) => [lag, capped(count)] as const).toSorted(([one], [two]) => one - two);
    const [min, max] = list;
    if (list.length === 2 && isCount(min) && isCount(max) && min <= max) {
      return Array.from({ length: capped(max) - capped(min) + 1 }, (_, step) => [step * STEP_LAG, capped(min) + step] as const);
    }
  }
  throw invalidOption(
    option,
    `'${option}' must be a number, [min, max] or [[lag, processes], …]`,
    'Write 4, [1, 4], or [[0, 1], [100, 3]] for one process without lag and three from the first message on.',
  );
}

/** How many processes a lag asks for. */
export const processesFor = (scale: Scale, lag: number): number => (scale.find(([upTo]) => upTo >= lag) ?? scale.at(-1)!)[1];

/** Whether the lag makes a difference. */
export const followsLag = (scale: Scale): boolean => new Set(scale.map(([, count]) => count)).size > 1;

const capped = (count: number): number => Math.min(count, MAX_PROCESSES);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isStep = (value: unknown): value is readonly [number, number] => Array.isArray(value) && value.length === 2 && value.every(isCount);
