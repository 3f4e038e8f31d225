import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LoopDelay } from '../../../lib/extensions/loop-delay';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

it('tells the longest lateness since the last reading, be it read before or after the timer that is late', () => {
  const time = { now: 0 };
  const delay = new LoopDelay(() => time.now);
  /** The loop turns, so late. */
  const turn = (lateMs = 0): void => {
    time.now += 20 + lateMs;
    vi.advanceTimersByTime(20);
  };
  turn();
  turn(300);
  turn(5);
  expect(delay.read()).toBe(300);
  turn();
  expect(delay.read()).toBe(0);
  time.now += 220;
  expect(delay.read()).toBe(200);
  vi.advanceTimersByTime(20);
  expect(delay.read()).toBe(0);
  delay.end();
  expect(vi.getTimerCount()).toBe(0);
});
