import { describe, expect, it } from 'vitest';
import { message } from '../../../bench/peer';
import { extentOf, shortened, warmUpExtent, WORKLOADS } from '../../../bench/workloads';

const named = (name: string) => WORKLOADS.find((workload) => workload.name === name)!;

describe('the workloads', () => {
  it('have a name each', () => {
    expect(new Set(WORKLOADS.map(({ name }) => name)).size).toBe(WORKLOADS.length);
  });

  it.each([
    ['rpc100', 100],
    ['rpc100-1k', 1_024],
    ['rpc100-16k', 16_384],
    ['rpc100-64k', 65_536],
  ])('have messages of the size that is said: %s', (name, bytes) => {
    const length = JSON.stringify(message(3, 1_234, named(name))).length;
    expect(Math.abs(length - bytes)).toBeLessThan(20);
  });

  it('end with the time, but for counts, which are less with less time', () => {
    expect(extentOf(named('rpc100'), 2)).toEqual({ durationMs: 2_000, least: 0, most: undefined });
    expect(extentOf(named('rpc1'), 2)).toEqual({ durationMs: 2_000, least: 0, most: 1_000 });
    expect(extentOf(named('oneway'), 2)).toEqual({ durationMs: 2_000, least: 20_000, most: 20_000 });
    expect(extentOf(named('oneway'), 0.1)).toEqual({ durationMs: 100, least: 1_000, most: 1_000 });
    expect(extentOf(named('stream10k'), 0.1)).toEqual({ durationMs: 100, least: 1, most: undefined });
    expect([2, 0.1, 10].map((seconds) => shortened(named('slow-reader'), seconds).items)).toEqual([2_000, 100, 2_000]);
  });

  it('are warmed up by a count that more time does not raise', () => {
    const counts = (seconds: number) => ['rpc1', 'rpc100', 'rpc10000'].map((name) => warmUpExtent(named(name), seconds).most);
    expect(counts(2)).toEqual([50, 500, 10_000]);
    expect(counts(10)).toEqual([50, 500, 10_000]);
    expect(counts(0.2)).toEqual([5, 50, 1_000]);
  });
});
