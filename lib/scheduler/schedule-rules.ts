import { aBoolean, aDuration, aName, anObject, aString, anything, oneOf, type OptionRule, type OptionRules } from '../common/option-rules';
import type { CronMessageOptions, ScheduleOptions } from './schedule-options';

const stringsByName: OptionRule = (value, path) =>
  anObject(value, path) ?? (Object.values(value as object).every((text) => typeof text === 'string') ? undefined : 'an object of strings');

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
  pattern: (value, path) =>
    aName(value, path) === undefined || anObject(value, path) === undefined ? undefined : 'a pattern: a string or an object',
  data: anything,
};
