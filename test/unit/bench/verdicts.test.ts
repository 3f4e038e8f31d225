import { describe, expect, it } from 'vitest';
import { PEERS } from '../../../bench/peers';
import type { PeerRow, WorkloadRow } from '../../../bench/rows';
import { TARGETS, type Target } from '../../../bench/targets';
import { judge } from '../../../bench/verdicts';
import { WORKLOADS } from '../../../bench/workloads';
import { peerRow, workloadRow } from './rows';

const rate: Target = { workload: 'rpc100', measure: 'rate', against: 'handwritten', atLeast: 0.7 };

/** Rounds in which the library does so many times what the other does. */
const rounds = (...ratios: number[]) =>
  ratios.flatMap((ratio, index) => [
    workloadRow({ round: index + 1, ratePerSecond: ratio * 100, p50Ms: ratio }),
    workloadRow({ round: index + 1, ratePerSecond: 100, p50Ms: 1, peer: 'handwritten' }),
  ]);
const of = (workloads: WorkloadRow[], peers: PeerRow[] = [], pinned = true) => ({ workloads, peers, pinned });
const verdictOf = (target: Target, rows: WorkloadRow[]) => judge(target, of(rows))?.verdict;

describe('a verdict', () => {
  it('is clear where all rounds are on one side of the bound, and inconclusive else', () => {
    expect(verdictOf(rate, rounds(0.7, 0.9, 0.8))).toBe('met');
    expect(verdictOf(rate, rounds(0.5, 0.69, 0.6))).toBe('not met');
    expect(verdictOf(rate, rounds(0.69, 0.9, 0.8))).toBe('inconclusive');
  });

  it('holds a time to a bound from above', () => {
    const p50: Target = { workload: 'rpc100', measure: 'p50', against: 'handwritten', atMost: 1.25 };
    expect(verdictOf(p50, rounds(1.1, 1.25))).toBe('met');
    expect(verdictOf(p50, rounds(1.3))).toBe('not met');
    expect(verdictOf(p50, rounds(1.2, 1.3))).toBe('inconclusive');
  });

  describe('of a rate that is inconclusive', () => {
    /** Rounds of what share of the core the library has, what share the other has, and how many times its CPU a message the library takes. */
    const noisy = (...shares: [own: number, other: number, cpuRatio: number][]) =>
      shares.flatMap(([own, other, cpuRatio], index) => {
        const row = (peer: string, share: number, micros: number) =>
          workloadRow({ round: index + 1, peer, ratePerSecond: (share * 1e6) / micros, clientMicros: micros - 4, serverMicros: 4 });
        return [row('streamback', own, 10 * cpuRatio), row('handwritten', other, 10)];
      });
    // Rates of 0.725, 0.714 and 0.666 times the other's, where 0.7 is a CPU time of 1.43 times.
    const better = noisy([0.95, 0.95, 1.38], [0.95, 0.95, 1.4], [0.91, 0.99, 1.38]);

    it('is by the CPU a message, where its rounds and the median of the rate are on one side', () => {
      expect(verdictOf(rate, better)).toBe('met by CPU');
      expect(verdictOf(rate, noisy([0.95, 0.95, 1.44], [0.95, 0.95, 1.5], [0.99, 0.92, 1.44]))).toBe('not met by CPU');
      expect(verdictOf(rate, noisy([0.95, 0.95, 1.38], [0.95, 0.95, 1.44], [0.95, 0.95, 1.38]))).toBe('inconclusive');
      expect(verdictOf(rate, noisy([0.95, 0.95, 1.38], [0.9, 0.99, 1.4], [0.9, 0.99, 1.38]))).toBe('inconclusive');
    });

    it('is not, where CPU does not tell the rate: on a core that one of the two does not fill, or on several', () => {
      expect(verdictOf(rate, noisy([0.85, 0.95, 1.2], [0.85, 0.95, 1.3], [0.85, 0.95, 1.2]))).toBe('inconclusive');
      expect(verdictOf(rate, noisy([0.91, 0.85, 1.42], [0.84, 0.85, 1.42], [0.95, 0.85, 1.4]))).toBe('inconclusive');
      expect(judge(rate, of(better, [], false))?.verdict).toBe('inconclusive');
    });

    it('is not where it is no rate', () => {
      const p50: Target = { workload: 'rpc100', measure: 'p50', against: 'handwritten', atMost: 1.25 };
      expect(
        verdictOf(
          p50,
          better.map((row, index) => ({ ...row, p50Ms: [1.2, 1, 1.3, 1, 1.2, 1][index]! })),
        ),
      ).toBe('inconclusive');
    });
  });

  it('can be of the library under another workload', () => {
    const own: Target = { workload: 'rpc10000', measure: 'rate', against: 'streamback', againstWorkload: 'rpc1000', atLeast: 0.85 };
    const rows = [workloadRow({ workload: 'rpc10000', ratePerSecond: 90 }), workloadRow({ workload: 'rpc1000', ratePerSecond: 100 })];
    expect(judge(own, of(rows))).toMatchObject({ verdict: 'met', spread: { median: 0.9 } });
  });

  it('is of a difference where processes are idle, and of sums of both where it is memory', () => {
    const rows = [peerRow({}), peerRow({ peer: 'handwritten', idleClientShare: 0.005, loadedServerBytes: 60e6 })];
    const idle: Target = { measure: 'idle client, %', against: 'handwritten', atMost: 1 };
    const memory: Target = { measure: 'RSS after load', against: 'handwritten', atMost: 1.3 };
    expect(judge(idle, of([], rows))).toMatchObject({ verdict: 'not met', spread: { median: 1.5 } });
    expect(judge(memory, of([], rows))).toMatchObject({ verdict: 'met', spread: { median: 1.25 } });
  });

  it('is none where one of the two was not measured', () => {
    expect(judge(rate, of([workloadRow({})]))).toBeUndefined();
    expect(judge(rate, of([]))).toBeUndefined();
  });
});

describe('the targets', () => {
  it('name peers and workloads that there are', () => {
    const peers = PEERS.map(({ name }) => name);
    const workloads = [undefined, ...WORKLOADS.map(({ name }) => name)];
    for (const { workload, against, againstWorkload } of TARGETS) {
      expect(peers).toContain(against);
      expect(workloads).toContain(workload);
      expect(workloads).toContain(againstWorkload);
    }
  });

  it('have one bound each', () => {
    for (const { atLeast, atMost } of TARGETS) expect([atLeast, atMost].filter((bound) => bound !== undefined)).toHaveLength(1);
  });
});
