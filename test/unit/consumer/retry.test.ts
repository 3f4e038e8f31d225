import { expect, it } from 'vitest';
import { retryDelayMs } from '../../../lib/consumer/retry';

const middle = (): number => 0.5;

it('counts tries beyond the first, with a delay that grows up to a limit', () => {
  const options = { times: 4, delayMs: 100, backoff: 3, maxDelayMs: 1_000, jitter: 0.5 };
  expect([1, 2, 3, 4, 5].map((failed) => retryDelayMs(options, failed, new Error('x'), middle))).toEqual([100, 300, 900, 1_000, undefined]);
  expect(retryDelayMs(options, 1, new Error('x'), () => 0)).toBe(50);
  expect(retryDelayMs({}, 1, new Error('x'))).toBeUndefined();
});

it('tries again what it is told to', () => {
  const classes = { times: 1, delayMs: 10, jitter: 0, on: [TypeError, RangeError] };
  expect([new TypeError('x'), new RangeError('x'), new Error('x'), 'x'].map((error) => retryDelayMs(classes, 1, error))).toEqual([
    10,
    10,
    undefined,
    undefined,
  ]);
  const chosen = { times: 1, delayMs: 10, jitter: 0, on: (error: unknown) => error === 'again' };
  expect([retryDelayMs(chosen, 1, 'again'), retryDelayMs(chosen, 1, 'no')]).toEqual([10, undefined]);
});
