import { CronTimes } from './cron-times';
import { invalidSchedule } from './schedule-errors';
import type { Schedule, ScheduleOptions } from './schedule-options';

const DEFAULT_CATCH_UP_MS = 60_000;
/** A slot is not yet missed: so late, in ms, a resumed schedule is heard of, or a clock that was set. */
const GRACE_MS = 2_000;

/** A schedule that this process can send. */
export interface ScheduleEntry {
  readonly options: ScheduleOptions;
  readonly source: Schedule['source'];
  readonly times: CronTimes;
  /** Gives what is sent; `undefined` for nothing. */
  produce(): unknown;
}

/** @throws StreambackConfigError INVALID_SCHEDULE */
export function scheduleEntry(options: ScheduleOptions, source: Schedule['source'], produce?: () => unknown): ScheduleEntry {
  const { name, cronTime, timeZone, weekdays, data = {} } = options;
  try {
    const times = new CronTimes(cronTime, timeZone, weekdays);
    if (times.next(Date.now()) === Infinity) throw new RangeError('it is not due within 8 years');
    return { options, source, times, produce: produce ?? (() => data) };
  } catch (error) {
    const zone = timeZone === undefined ? '' : ` in '${timeZone}'`;
    throw invalidSchedule(`The schedule '${name}' cannot be kept, '${cronTime}'${zone}: ${(error as Error).message}`, {
      cause: error,
      remedy: "Give five or six cron fields, as '*/30 * * * * *', and an IANA zone, as 'Europe/Berlin'.",
    });
  }
}

/**
 * The slot that is to be sent next, in epoch ms: one that was missed, as `catchUp` has it, or the one to come; Infinity for none.
 * @param after slots up to here are done with
 */
export function dueSlot({ options, times }: ScheduleEntry, after: number, now: number): number {
  const { catchUp = 'last', catchUpMs = DEFAULT_CATCH_UP_MS } = options;
  const from = Math.max(after, now - (catchUp === 'none' ? GRACE_MS : Math.max(catchUpMs, GRACE_MS)));
  return (catchUp === 'all' ? undefined : times.last(from, now)) ?? times.next(from);
}
