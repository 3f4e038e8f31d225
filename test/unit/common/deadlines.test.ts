import { describe, expect, it } from 'vitest';
import { Deadlines } from '../../../lib/common/deadlines';
import { ManualClock } from '../../support/manual-clock';
import { Random } from '../../support/random';

function setup() {
  const clock = new ManualClock(0);
  const entries = new Map<number, { expiresAt: number; expire(): void }>();
  const deadlines = new Deadlines(entries, clock);
  const expired: [id: number, at: number][] = [];
  const add = (id: number, expiresAt: number, then?: () => void) => {
    const entry = {
      expiresAt,
      expire: () => {
        entries.delete(id);
        expired.push([id, clock.now()]);
        then?.();
      },
    };
    entries.set(id, entry);
    deadlines.watch(entry);
    return entry;
  };
  return { clock, entries, deadlines, expired, add };
}

describe('Deadlines', () => {
  it('expires each entry at its time, and not before', () => {
    const { clock, expired, add } = setup();
    add(1, 100);
    add(2, 50);
    clock.advance(49);
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toEqual([[2, 50]]);
    clock.advance(50);
    expect(expired).toEqual([
      [2, 50],
      [1, 100],
    ]);
    expect(clock.pending).toBe(0);
  });

  it('uses one timer for thousands, and is at most a sweep late', () => {
    const { clock, expired, add } = setup();
    const random = new Random(3);
    const due = new Map<number, number>();
    for (let id = 0; id < 5_000; id++) {
      due.set(id, 1 + random.below(10_000));
      add(id, due.get(id)!);
      expect(clock.pending).toBe(1);
    }
    for (let step = 0; step < 1_000; step++) {
      clock.advance(10);
      if (clock.pending > 1) throw new Error(`${clock.pending} timers`);
    }
    clock.advance(10);
    expect(expired).toHaveLength(5_000);
    for (const [id, at] of expired) if (at < due.get(id)! || at > due.get(id)! + 5) throw new Error(`${due.get(id)} expired at ${at}`);
    // Sweeps, not one timer an entry.
    expect(clock.set).toBeLessThan(2_100);
  });

  it('follows a deadline that moves later', () => {
    const { clock, expired, add } = setup();
    const entry = add(1, 100);
    clock.advance(60);
    entry.expiresAt = 160;
    clock.advance(60);
    expect(expired).toEqual([]);
    expect(clock.pending).toBe(1);
    clock.advance(40);
    expect(expired).toEqual([[1, 160]]);
  });

  it('forgets entries that went, and then sets no timer', () => {
    const { clock, entries, expired, add } = setup();
    add(1, 100);
    entries.clear();
    clock.advance(1_000);
    expect([expired.length, clock.pending]).toEqual([0, 0]);
  });

  it('watches what is added while others expire', () => {
    const { clock, expired, add } = setup();
    add(1, 100, () => add(3, 110));
    add(2, 500);
    clock.advance(110);
    expect(expired).toEqual([
      [1, 100],
      [3, 110],
    ]);
    clock.advance(390);
    expect(expired.at(-1)).toEqual([2, 500]);
  });

  it('sets no timer for what never expires, and none too long for a timer', () => {
    const { clock, expired, add } = setup();
    add(1, Infinity);
    expect(clock.pending).toBe(0);
    const delays: number[] = [];
    const setTimer = clock.setTimeout.bind(clock);
    clock.setTimeout = (callback, delayMs) => (delays.push(delayMs), setTimer(callback, delayMs));
    add(2, 2 ** 32);
    clock.advance(2 ** 31);
    expect(expired).toEqual([]);
    clock.advance(2 ** 31 + 5);
    expect(expired).toEqual([[2, expect.closeTo(2 ** 32, -1)]]);
    expect(Math.max(...delays)).toBe(2 ** 31 - 1);
  });

  it('close leaves no timer', () => {
    const { clock, deadlines, add } = setup();
    add(1, 100);
    deadlines.close();
    expect(clock.pending).toBe(0);
  });
});
