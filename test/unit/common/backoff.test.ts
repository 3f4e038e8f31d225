import { describe, expect, it } from 'vitest';
import { backoffDelayMs } from '../../../lib/common/backoff';

const OPTIONS = { delayMs: 100, factor: 2, maxDelayMs: 1_000, jitter: 0 };

describe('backoffDelayMs', () => {
  it('starts with the delay, grows by the factor, and stops at the limit', () => {
    expect([1, 2, 3, 4, 5, 100, 5_000].map((attempt) => backoffDelayMs(attempt, OPTIONS))).toEqual([
      100, 200, 400, 800, 1_000, 1_000, 1_000,
    ]);
  });

  it('is constant with factor 1', () => {
    expect([1, 2, 9].map((attempt) => backoffDelayMs(attempt, { ...OPTIONS, factor: 1 }))).toEqual([100, 100, 100]);
  });

  it('stays 0 however often a delay of 0 is repeated', () => {
    expect([1, 2, 5_000].map((attempt) => backoffDelayMs(attempt, { ...OPTIONS, delayMs: 0 }))).toEqual([0, 0, 0]);
  });

  it('moves by the jitter, both ways', () => {
    const options = { ...OPTIONS, jitter: 0.2 };
    expect([0, 0.5, 1].map((random) => backoffDelayMs(1, options, () => random))).toEqual([80, 100, 120]);
    expect(new Set(Array.from({ length: 50 }, () => backoffDelayMs(1, options))).size).toBeGreaterThan(1);
  });
});
