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
    /** Rounds of rates on both sides of 0.7; the other takes 10 us a message, the library so many times as much, on a core that both fill to `share`. */
    const noisy = (share: number, ...cpuRatios: number[]) =>
      cpuRatios.flatMap((cpuRatio, index) => {
        const micros = { clientMicros: 4, serverMicros: 6 };
        const other = workloadRow({ round: index + 1, peer: 'handwritten', ratePerSecond: share * 100_000, ...micros });
        const ratePerSecond = other.ratePerSecond * (index % 2 === 0 ? 0.69 : 0.9);
        const clientMicros = 10 * cpuRatio - 6;
        return [workloadRow({ round: index + 1, ratePerSecond, clientMicros, serverMicros: 6 }), other];
      });

    it('is by the CPU a message, where its rounds are on one side', () => {
      expect(verdictOf(rate, noisy(0.95, 1.38, 1.4, 1.42))).toBe('met by CPU');
      expect(verdictOf(rate, noisy(0.95, 1.44, 1.6, 1.44))).toBe('not met by CPU');
      expect(verdictOf(rate, noisy(0.95, 1.38, 1.44, 1.38))).toBe('inconclusive');
    });

    it('is not, where CPU does not tell the rate: on a core that is not full, or on several', () => {
      expect(verdictOf(rate, noisy(0.8, 1.38, 1.4, 1.42))).toBe('inconclusive');
      expect(judge(rate, of(noisy(0.95, 1.38, 1.4, 1.42), [], false))?.verdict).toBe('inconclusive');
      const p50: Target = { workload: 'rpc100', measure: 'p50', against: 'handwritten', atMost: 1.25 };
      const rows = noisy(0.95, 1.38, 1.4).map((row, index) => ({ ...row, p50Ms: [1.2, 1, 1.3, 1][index] }));
      expect(verdictOf(p50, rows)).toBe('inconclusive');
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
