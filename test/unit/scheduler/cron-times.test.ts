import { describe, expect, it } from 'vitest';
import { CronExpression } from '../../../lib/scheduler/cron-expression';
import { CronTimes } from '../../../lib/scheduler/cron-times';
import { slotsBetween } from '../../support/cron-reference';

const at = (text: string): number => Date.parse(text);
const iso = (moment: number): string => new Date(moment).toISOString();

function slots(times: CronTimes, from: number, to: number): number[] {
  const found: number[] = [];
  for (let slot = times.next(from); slot < to; slot = times.next(slot)) found.push(slot);
  return found;
}

describe('CronTimes', () => {
  it('reads five fields, with second 0, and six', () => {
    const from = at('2026-11-21T10:00:00.500Z');
    expect(iso(new CronTimes('*/10 * * * *', 'UTC').next(from))).toBe('2026-11-21T10:10:00.000Z');
    expect(iso(new CronTimes('*/10 * * * * *', 'UTC').next(from))).toBe('2026-11-21T10:00:10.000Z');
    expect(iso(new CronTimes('0 9 * * MON-FRI', 'UTC').next(from))).toBe('2026-11-23T09:00:00.000Z');
    expect(iso(new CronTimes('0 0 * * 7', 'UTC').next(from))).toBe('2026-11-22T00:00:00.000Z');
  });

  it('the next slot comes after a slot, not at it', () => {
    const every = new CronTimes('* * * * * *', 'UTC');
    const slot = every.next(at('2026-11-21T10:00:00Z'));
    expect(iso(slot)).toBe('2026-11-21T10:00:01.000Z');
    expect(every.next(slot - 1)).toBe(slot);
    expect(every.next(slot)).toBe(slot + 1_000);
  });

  it("counts in the zone that is named, and in the process's without one", () => {
    const from = at('2026-11-21T10:00:00Z');
    expect(iso(new CronTimes('0 0 8 * * *', 'Asia/Kolkata').next(from))).toBe('2026-11-22T02:30:00.000Z');
    expect(iso(new CronTimes('0 0 8 * * *', 'America/New_York').next(from))).toBe('2026-11-21T13:00:00.000Z');
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    expect(new CronTimes('0 0 8 * * *').next(from)).toBe(new CronTimes('0 0 8 * * *', here).next(from));
  });

  it.each(['', '* * * *', '* * * * * * *', '60 * * * * *', 'soon', '*/0 * * * * *', '5-1 * * * * *'])('refuses %j', (expression) => {
    expect(() => new CronTimes(expression, 'UTC')).toThrow();
  });

  it('refuses a zone that does not exist', () => {
    expect(() => new CronTimes('* * * * *', 'Mars/Olympus')).toThrow(/Mars/);
  });

  it('is never due on a day that never comes, and soon says so', () => {
    const startedAt = performance.now();
    expect(new CronTimes('0 0 30 2 *', 'UTC').next(Date.now())).toBe(Infinity);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(new CronTimes('0 0 29 2 *', 'UTC').next(Date.now())).toBeLessThan(Infinity);
  });

  it.each([NaN, Infinity, -Infinity, 9e15])('has nothing after %s', (after) => {
    expect(new CronTimes('* * * * *', 'Europe/Berlin').next(after)).toBe(Infinity);
  });

  it.each(Object.entries(CronExpression))('knows CronExpression.%s', (_name, expression) => {
    expect(new CronTimes(expression, 'Europe/Berlin').next(Date.now())).toBeLessThan(Infinity);
  });
});

describe.each([
  ['Europe/Berlin', 'leaps at 2 to 3', '2027-03-28T01:00:00Z'],
  ['Europe/Berlin', 'goes back at 3 to 2', '2026-10-25T01:00:00Z'],
  ['America/New_York', 'leaps at 2 to 3', '2027-03-14T07:00:00Z'],
  ['America/New_York', 'goes back at 2 to 1', '2026-11-01T06:00:00Z'],
  ['Australia/Lord_Howe', 'leaps by half an hour', '2026-10-03T15:30:00Z'],
  ['Australia/Lord_Howe', 'goes back by half an hour', '2027-04-03T15:00:00Z'],
  ['Asia/Kolkata', 'is never changed', '2026-10-25T01:00:00Z'],
])('CronTimes where the clock of %s %s', (zone, _what, change) => {
  const [from, to] = [at(change) - 3 * 3_600_000, at(change) + 4 * 3_600_000];

  it.each([
    '* * * * *',
    '*/10 * * * *',
    '30 * * * *',
    '15,45 7 * * * *',
    '0 30 1 * * *',
    '0 30 2 * * *',
    '0 0 3 * * *',
    '0 */10 1-3 * * *',
    '0 0 */2 * * *',
    '0 45 1,2 * * *',
    '0 0 0 * * 0',
    '30 59 1 28 3 *',
  ])('%s: none twice, none missed', (expression) => {
    const times = new CronTimes(expression, zone);
    const expected = slotsBetween(expression, zone, from, to);
    expect(slots(times, from, to).map(iso)).toEqual(expected.map(iso));
  });

  it('from any moment on, the next is the next, and the last the last', () => {
    for (const expression of ['*/7 * * * *', '0 20,50 1-2 * * *', '0 30 2 * * *']) {
      const times = new CronTimes(expression, zone);
      const expected = slotsBetween(expression, zone, from, at(change) + 30 * 3_600_000);
      for (let moment = at(change) - 2 * 3_600_000 + 500; moment < at(change) + 2 * 3_600_000; moment += 487_000) {
        expect(times.next(moment)).toBe(expected.find((slot) => slot > moment));
        expect(times.last(from, moment)).toBe(expected.findLast((slot) => slot <= moment));
      }
    }
  });

  it('every second', () => {
    const around = [at(change) - 5_000, at(change) + 5_000] as const;
    expect(slots(new CronTimes('* * * * * *', zone), ...around)).toEqual(slotsBetween('* * * * * *', zone, ...around));
  });
});

describe('last', () => {
  const upTo = at('2026-11-21T10:00:30.500Z');

  it('is the newest, and nothing where there is none', () => {
    const times = new CronTimes('0 * * * * *', 'UTC');
    expect(iso(times.last(upTo - 60_000, upTo)!)).toBe('2026-11-21T10:00:00.000Z');
    expect(times.last(upTo - 30_000, upTo)).toBeUndefined();
    expect(times.last(upTo, upTo)).toBeUndefined();
    expect(iso(times.last(upTo - 60_000, at('2026-11-21T10:00:00Z'))!)).toBe('2026-11-21T10:00:00.000Z');
  });

  it('costs little over long windows, whatever the expression', () => {
    const window = 24 * 86_400_000;
    for (const expression of ['* * * * * *', '* * 3 * * *', '0 0 3 * * *', '0 0 0 1 * *', '* * * 21 10 *']) {
      const times = new CronTimes(expression, 'Europe/Berlin');
      let asked = 0;
      const next = times.next.bind(times);
      times.next = (after) => ((asked += 1), next(after));
      const newest = times.last(upTo - window, upTo);
      expect(asked, expression).toBeLessThanOrEqual(24);
      if (newest !== undefined) expect(next(newest)).toBeGreaterThan(upTo);
    }
  });
});

describe("weekdays: 'python'", () => {
  const python = (expression: string) => new CronTimes(expression, 'UTC', 'python');
  const days = (times: CronTimes, count: number) => {
    const found: string[] = [];
    for (let slot = times.next(at('2026-11-01T00:00:00Z')); found.length < count; slot = times.next(slot)) {
      found.push(new Date(slot).toUTCString().slice(0, 11));
    }
    return found;
  };

  it('0 is Monday and 6 is Sunday', () => {
    expect(days(python('0 9 * * 0'), 2)).toEqual(['Mon, 02 Nov', 'Mon, 09 Nov']);
    expect(days(python('0 9 * * 6'), 2)).toEqual(['Sun, 01 Nov', 'Sun, 08 Nov']);
    expect(days(python('0 0 9 * * 4-6'), 3)).toEqual(['Sun, 01 Nov', 'Fri, 06 Nov', 'Sat, 07 Nov']);
    expect(days(python('0 9 * * */3'), 3)).toEqual(['Sun, 01 Nov', 'Mon, 02 Nov', 'Thu, 05 Nov']);
    expect(days(python('0 9 * * 1,3'), 2)).toEqual(['Tue, 03 Nov', 'Thu, 05 Nov']);
    expect(days(python('0 9 * * *'), 2)).toEqual(['Sun, 01 Nov', 'Mon, 02 Nov']);
  });

  it('day and weekday must both match, where cron takes either', () => {
    expect(days(python('0 9 13 * 4'), 2)).toEqual(['Fri, 13 Nov', 'Fri, 13 Aug']);
    expect(days(new CronTimes('0 9 13 * 5', 'UTC'), 2)).toEqual(['Fri, 06 Nov', 'Fri, 13 Nov']);
  });

  it.each(['7', 'MON', '1-7', '5-2', '*/0', '1-5/2', '?', ''])('refuses the weekday %j, as Python does', (weekday) => {
    expect(() => python(`0 9 * * ${weekday}`)).toThrow();
  });

  it('is never due where day and weekday never meet', () => {
    expect(python('0 9 30 2 0').next(Date.now())).toBe(Infinity);
  });
});
