import { invalidSchedule } from './schedule-errors';
import { CronTimes } from './cron-times';
import type { Schedule, ScheduleOptions } from './schedule-options';

const DEFAULT_CATCH_UP_MS = 60_000;

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
    times.next(Date.now());
    return { options, source, times, produce: produce ?? (() => data) };
  } catch (error) {
    const zone = timeZone === undefined ? '' : ` in '${timeZone}'`;
    const reason = String(error).split('\n')[0];
    throw invalidSchedule(`The schedule '${name}' cannot be kept: '${cronTime}'${zone}: ${reason}`, {
      cause: error,
      remedy: "Give five or six cron fields, as '*/30 * * * * *', and an IANA zone, as 'Europe/Berlin'.",
    });
  }
}

/**
 * The slot that is to be sent next, in epoch ms: one that was missed, as `catchUp` has it, or the one to come.
 * @param since the newest slot that was sent, or since when slots count
 */
export function dueSlot({ options, times }: ScheduleEntry, since: number, now: number, graceMs: number): number {
  const { catchUp = 'last' } = options;
  const windowMs = catchUpMsOf(options, graceMs);
  const from = Math.max(since, now - windowMs);
  return (catchUp === 'all' ? undefined : times.last(from, now)) ?? times.next(from);
}

/** How late a slot may be sent, in ms. @param graceMs what is not yet late */
export const catchUpMsOf = ({ catchUp, catchUpMs = DEFAULT_CATCH_UP_MS }: ScheduleOptions, graceMs: number): number =>
  catchUp === 'none' ? graceMs : Math.max(catchUpMs, graceMs);
