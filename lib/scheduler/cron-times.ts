import { CronTime } from 'cron';

/** How the last field of an expression counts: `cron`, 0 and 7 are Sunday; `python`, 0 is Monday, as Python streamback has it. */
export type CronWeekdays = 'cron' | 'python';

/** Windows in which the newest slot is looked for, one after the other, in ms. */
const LOOK_BACK_MS = [60_000, 3_600_000, 86_400_000, 32 * 86_400_000];

/** The moments at which a cron expression is due, to the second. Five fields (second 0) or six; parsed by the `cron` package. */
export class CronTimes {
  private readonly time: CronTime;
  private readonly timeZone: string;
  /** The days of the week that a Python expression is held to, from 1, Monday. */
  private readonly isoWeekdays?: ReadonlySet<number>;

  /**
   * @param timeZone an IANA name. @default the process's
   * @throws Error of the `cron` package, for an expression or a zone that it does not take
   */
  constructor(expression: string, timeZone?: string, weekdays: CronWeekdays = 'cron') {
    const { source, isoWeekdays } = weekdays === 'python' ? fromPython(expression) : { source: expression, isoWeekdays: undefined };
    this.time = new CronTime(source, timeZone);
    this.timeZone = this.time.timeZone!;
    this.isoWeekdays = isoWeekdays;
  }

  /**
   * The first slot after a moment, both in epoch ms.
   * @throws Error of the `cron` package, where there is none within 8 years
   */
  next(after: number): number {
    let from = after;
    for (;;) {
      const date = this.time.getNextDateFrom(new Date(from), this.timeZone);
      const at = date.toMillis();
      // Around a change of the clocks the next date can lie behind.
      if (at <= after) from = Math.max(from, at) + 60_000;
      else if (this.isoWeekdays?.has(date.weekday) === false) from = date.endOf('day').toMillis();
      else return at;
    }
  }

  /** The newest slot after one moment and up to another; nothing where there is none. */
  last(after: number, upTo: number): number | undefined {
    for (const lookBackMs of [...LOOK_BACK_MS, Infinity]) {
      const from = Math.max(after, upTo - lookBackMs);
      let newest: number | undefined;
      for (let slot = this.next(from); slot <= upTo; slot = this.next(slot)) newest = slot;
      if (newest !== undefined || from === after) return newest;
    }
    return undefined;
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
