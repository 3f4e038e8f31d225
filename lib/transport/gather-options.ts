import { aCount, aDuration, aName, checkOptions, invalidOption, type OptionRule, type OptionRules } from '../common/option-rules';
import type { GatherObserver, GatherResult, GatherWish } from '../producer/gather-request';

/** Whom `client.gather` waits for: `groups` or `count`, and how long. */
export interface StreambackGatherOptions {
  /** The groups that are waited for; what others answer is dropped. @default none: `count` */
  readonly groups?: readonly string[] | undefined;
  /** How many groups are waited for, whichever they are. @default none: `groups` */
  readonly count?: number | undefined;
  /** How long, in ms; then what there is is given. Required. What is left of an outer deadline holds if it is less. */
  readonly timeoutMs: number;
}

const theGroups: OptionRule = (value, path) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((group) => aName(group, path) === undefined) &&
  new Set(value).size === value.length
    ? undefined
    : 'an array of names, each once';

export const GATHER_RULES: OptionRules<StreambackGatherOptions> = { groups: theGroups, count: aCount(1, 1_000), timeoutMs: aDuration(1) };

/** @throws StreambackConfigError INVALID_OPTION */
export function gatherWish(options: StreambackGatherOptions): GatherWish {
  if (typeof options !== 'object' || options === null) throw invalidOption('gather', `'gather' needs options, not ${String(options)}`);
  checkOptions<StreambackGatherOptions>(options, GATHER_RULES, 'gather');
  const { groups, count, timeoutMs } = options;
  if ((groups === undefined) === (count === undefined)) {
    throw invalidOption(
      'gather.groups',
      "'gather' waits for 'groups' or for a 'count' of them",
      "Give one of the two: { groups: ['stock', 'prices'] }.",
    );
  }
  if (timeoutMs === undefined)
    throw invalidOption('gather.timeoutMs', "'gather.timeoutMs' is required", 'Say how long to wait: { timeoutMs: 5_000 }.');
  return { groups, count, timeoutMs };
}

/** Hands on results whose values are made something else. */
export function mappedResult<Answer>(
  observer: { next(result: GatherResult<Answer>): void; error(error: unknown): void; complete(): void },
  made: (value: unknown) => Answer,
): GatherObserver {
  const mapped = (result: GatherResult): GatherResult<Answer> => ({
    ...result,
    answers: result.answers.map((each) => ({ ...each, values: each.values.map(made) })),
  });
  return {
    next: (result) => {
      try {
        observer.next(mapped(result));
      } catch (error) {
        observer.error(error);
      }
    },
    error: (error) => observer.error(error),
    complete: () => observer.complete(),
  };
}
