import { CronTime } from 'cron';
import { TimeZone } from './time-zone';

/** How the last field of an expression counts: `cron`, 0 and 7 are Sunday; `python`, 0 is Monday, as Python streamback has it. */
export type CronWeekdays = 'cron' | 'python';

/** Beyond it there are no dates. */
const LAST_MOMENT = 8.64e15;
const DAY_MS = 86_400_000;

/**
 * The moments at which a cron expression is due, to the second: its slots. Five fields (second 0) or six; parsed by the `cron` package,
 * which is asked for times on a clock that is never changed. Where the zone's clock is, an expression that names hours is due once: at the
 * leap where the clock leaps over its time, the first time where the clock shows it twice. One for every hour goes by what the clock shows.
 */
export class CronTimes {
  /** The expression on a clock without changes. */
  private readonly clock: CronTime;
  private readonly zone: TimeZone;
  private readonly isEveryHour: boolean;
  /** The days of the week that a Python expression is held to, from 1, Monday. */
  private readonly isoWeekdays?: ReadonlySet<number>;

  /**
   * @param timeZone an IANA name. @default the process's
   * @throws Error of the `cron` package, RangeError: for an expression or a zone that cannot be read
   */
  constructor(expression: string, timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone, weekdays: CronWeekdays = 'cron') {
    const { source, isoWeekdays } = weekdays === 'python' ? fromPython(expression) : { source: expression, isoWeekdays: undefined };
    this.clock = new CronTime(source, 'UTC');
    this.zone = new TimeZone(timeZone);
    this.isEveryHour = this.clock.toJSON()[2] === '*';
    this.isoWeekdays = isoWeekdays;
  }

  /** The first slot after a moment, both in epoch ms; Infinity where there is none within 8 years from now. */
  next(after: number): number {
    if (!(Math.abs(after) < LAST_MOMENT)) return Infinity;
    let from = after;
    /** What the clock shows is done with up to here. */
    let shown = this.shownAt(after);
    for (;;) {
      const time = this.nextShown(shown);
      if (time === Infinity) return Infinity;
      const offsetMs = this.zone.offsetAt(from);
      const change = this.zone.changeWithin(from, time - offsetMs);
      if (change === undefined) return time - offsetMs;
      const leapMs = this.zone.offsetAt(change) - offsetMs;
      const changed = change + offsetMs;
      if (!this.isEveryHour && leapMs > 0 && time < changed + leapMs) return change;
      from = change;
      shown = (leapMs > 0 || this.isEveryHour ? changed + leapMs : changed) - 1;
    }
  }

  /** The newest slot after one moment and up to another, in epoch ms; nothing where there is none. */
  last(after: number, upTo: number): number | undefined {
    let newest = this.next(after);
    if (newest > upTo) return undefined;
    for (let end = upTo; end - newest >= 1_000;) {
      const middle = Math.floor((newest + end) / 2);
      const slot = this.next(middle);
      if (slot <= end) newest = slot;
      else end = middle;
    }
    return newest;
  }

  /** What the clock shows at a moment; where it shows that for the second time, and that is not to count, the last that it has shown. */
  private shownAt(moment: number): number {
    const shown = moment + this.zone.offsetAt(moment);
    const change = this.isEveryHour ? undefined : this.zone.changeWithin(moment - DAY_MS, moment);
    return change === undefined ? shown : Math.max(shown, change + this.zone.offsetAt(change - 1) - 1);
  }

  /** The next time that the clock shows; Infinity where there is none. Both as if it showed UTC. */
  private nextShown(after: number): number {
    for (let from = after; ;) {
      let date: ReturnType<CronTime['getNextDateFrom']>;
      try {
        date = this.clock.getNextDateFrom(new Date(from), 'UTC');
      } catch {
        return Infinity;
      }
      if (this.isoWeekdays?.has(date.weekday) !== false) return date.toMillis();
      from = date.endOf('day').toMillis();
    }
  }
}

/** Python's weekday is held beside the day of the month: both must match there, and 0 is Monday. */
function fromPython(expression: string): { source: string; isoWeekdays?: ReadonlySet<number> } {
  const fields = expression.trim().split(/\s+/);
  const field = fields.pop() ?? '';
  const source = [...fields, '*'].join(' ');
  return field === '*' ? { source } : { source, isoWeekdays: new Set(field.split(',').flatMap(pythonWeekdays)) };
}

/** A day, a range or a star with a step: what Python reads. Gives ISO days, from 1. */
function pythonWeekdays(part: string): number[] {
  const [, first, last = first, every] = /^(?:([0-6])(?:-([0-6]))?|\*\/([1-9]))$/.exec(part) ?? [];
  const days = [0, 1, 2, 3, 4, 5, 6].filter((day) =>
    every === undefined ? day >= Number(first) && day <= Number(last) : day % Number(every) === 0,
  );
  if (days.length === 0) throw new RangeError(`'${part}' is no weekday from 0, Monday, to 6, Sunday`);
  return days.map((day) => day + 1);
}
