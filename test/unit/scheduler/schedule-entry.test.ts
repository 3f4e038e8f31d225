import { describe, expect, it } from 'vitest';
import { dueSlot, scheduleEntry } from '../../../lib/scheduler/schedule-entry';
import type { ScheduleOptions } from '../../../lib/scheduler/schedule-options';
import { slotId } from '../../../lib/scheduler/schedule-runner';

const at = (time: string): number => Date.parse(`2026-11-21T${time}Z`);
const entry = (options: Partial<ScheduleOptions> = {}) =>
  scheduleEntry({ name: 'each-10-s', cronTime: '*/10 * * * * *', pattern: 'tick', timeZone: 'UTC', ...options }, 'options');

describe('dueSlot', () => {
  const now = at('10:00:35');

  it.each([
    ['last', {}, at('10:00:30')],
    ['all', {}, at('10:00:00')],
    ['none', {}, at('10:00:40')],
    ['last', { catchUpMs: 3_000 }, at('10:00:40')],
    ['all', { catchUpMs: 15_000 }, at('10:00:30')],
  ] as const)('%s of what was missed, with %j', (catchUp, options, slot) => {
    expect(dueSlot(entry({ catchUp, ...options }), at('09:59:55'), now)).toBe(slot);
  });

  it.each(['last', 'all', 'none'] as const)('%s: what is done with does not come again', (catchUp) => {
    expect(dueSlot(entry({ catchUp }), at('10:00:30'), now)).toBe(at('10:00:40'));
    expect(dueSlot(entry({ catchUp }), at('10:05:00'), now)).toBe(at('10:05:10'));
  });

  it.each(['last', 'all', 'none'] as const)('%s: nothing from before the window', (catchUp) => {
    const hourly = entry({ catchUp, cronTime: '0 0 * * * *' });
    expect(dueSlot(hourly, 0, at('10:01:01'))).toBe(at('11:00:00'));
    expect(dueSlot(hourly, 0, at('10:00:01'))).toBe(at('10:00:00'));
  });

  it('the window is 60 s, as in Python', () => {
    const hourly = entry({ cronTime: '0 0 * * * *' });
    expect(dueSlot(hourly, 0, at('10:00:59'))).toBe(at('10:00:00'));
    expect(dueSlot(hourly, 0, at('10:01:00'))).toBe(at('11:00:00'));
  });
});

describe('scheduleEntry', () => {
  it.each([
    [{ cronTime: 'soon' }, /'soon'/],
    [{ cronTime: '* * * *' }, /Too few fields/],
    [{ cronTime: '0 0 30 2 *' }, /not due within 8 years/],
    [{ timeZone: 'Mars/Olympus' }, /Mars\/Olympus/],
    [{ weekdays: 'python' as const, cronTime: '0 0 * * 7' }, /weekday/],
  ])('refuses %j', (options, message) => {
    expect(() => entry(options)).toThrow(expect.objectContaining({ code: 'INVALID_SCHEDULE', message: expect.stringMatching(message) }));
  });

  it('sends its data, {} without any', () => {
    expect(entry().produce()).toEqual({});
    expect(entry({ data: null }).produce()).toBeNull();
    expect(entry({ data: [1] }).produce()).toEqual([1]);
  });
});

it('the id of a slot is its own, and the same each time', () => {
  const ids = [slotId('g', 'n', 1), slotId('g', 'n', 2), slotId('g', 'm', 1), slotId('h', 'n', 1), slotId('g","n', '', 1)];
  expect(new Set(ids).size).toBe(5);
  expect(slotId('g', 'n', 1)).toBe(ids[0]);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});
