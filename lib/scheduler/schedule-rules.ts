import {
  aBoolean,
  aDuration,
  aName,
  anObject,
  aString,
  anything,
  checkOptions,
  invalidOption,
  oneOf,
  stringsByName,
  type OptionRule,
  type OptionRules,
} from '../common/option-rules';
import type { CronMessageOptions, ScheduleOptions } from './schedule-options';

/** What each option of `@CronMessage` must be. */
export const CRON_MESSAGE_RULES: OptionRules<CronMessageOptions> = {
  name: aName,
  timeZone: aName,
  disabled: aBoolean,
  key: aString,
  headers: stringsByName,
  description: aString,
  connection: aName,
  catchUp: oneOf('last', 'all', 'none'),
  catchUpMs: aDuration(0),
  weekdays: oneOf('cron', 'python'),
};

/** What each option of a schedule must be that is given as data. */
export const SCHEDULE_RULES: OptionRules<ScheduleOptions> = {
  ...CRON_MESSAGE_RULES,
  cronTime: aName,
  pattern: (value, path) => (aName(value, path) && anObject(value, path) ? 'a pattern: a string or an object' : undefined),
  data: anything,
};

/** @throws StreambackConfigError INVALID_OPTION */
export function checkSchedule(given: unknown, path: string): asserts given is ScheduleOptions {
  if (anObject(given, path) !== undefined) throw invalidOption(path, `'${path}' must be an object`);
  const options = given as Partial<ScheduleOptions>;
  checkOptions(options, SCHEDULE_RULES, path);
  for (const name of ['name', 'cronTime', 'pattern'] as const) {
    if (options[name] === undefined) throw invalidOption(`${path}.${name}`, `'${path}.${name}' is required`);
  }
}

/** A list of schedules, as an option. */
export const schedules: OptionRule = (value, path) => {
  if (!Array.isArray(value)) return 'an array of schedules';
  value.forEach((each, at) => checkSchedule(each, `${path}[${at}]`));
  return undefined;
};
