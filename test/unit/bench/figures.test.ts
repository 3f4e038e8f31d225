import { describe, expect, it } from 'vitest';
import { figure, pairedDifferences, pairedRatios, quantile, spreadOf, spreadText } from '../../../bench/figures';

describe('the figures of the bench', () => {
  it('takes the median, the least and the most, and leaves the values as they are', () => {
    const values = [5, 1, 3];
    expect(spreadOf(values)).toEqual({ median: 3, min: 1, max: 5 });
    expect(values).toEqual([5, 1, 3]);
    expect(spreadOf([4, 1, 2, 10])).toEqual({ median: 3, min: 1, max: 10 });
    expect(spreadOf([])).toBeUndefined();
  });

  it('takes quantiles of sorted values', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(quantile(hundred, 0.5)).toBe(51);
    expect(quantile(hundred, 0.99)).toBe(100);
    expect(quantile([7], 0.99)).toBe(7);
    expect(quantile([], 0.5)).toBe(0);
  });

  it('compares within a round, whatever order the rounds are in', () => {
    const own = [
      { round: 1, rate: 10 },
      { round: 2, rate: 40 },
    ];
    const others = [
      { round: 2, rate: 20 },
      { round: 1, rate: 5 },
    ];
    expect(pairedRatios(own, others, ({ rate }) => rate)).toEqual([2, 2]);
    expect(pairedDifferences(own, others, ({ rate }) => rate)).toEqual([5, 20]);
  });

  it('leaves out a round that one of the two has nothing of', () => {
    const own = [
      { round: 1, p50Ms: 2 },
      { round: 2, p50Ms: undefined },
      { round: 3, p50Ms: 6 },
      { round: 4, p50Ms: 1 },
    ];
    const others = [
      { round: 1, p50Ms: 4 },
      { round: 2, p50Ms: 4 },
      { round: 4, p50Ms: 0 },
    ];
    expect(pairedRatios(own, others, ({ p50Ms }) => p50Ms)).toEqual([0.5]);
  });

  it('writes three digits, and thousands in full', () => {
    expect([0, 0.01234, 1, 12.345, 999.4, 1_000.4, 418_706.2].map(figure)).toEqual([
      '0',
      '0.0123',
      '1.00',
      '12.3',
      '999',
      '1,000',
      '418,706',
    ]);
    expect([undefined, NaN, Infinity].map(figure)).toEqual(['-', '-', '-']);
    expect(spreadText({ median: 2, min: 1, max: 3_000 })).toBe('2.00 (1.00-3,000)');
    expect(spreadText(undefined)).toBe('-');
  });
});
