import { describe, expect, it } from 'vitest';
import { plainOf } from '../../../bench/layout';
import { joined, reportOf } from '../../../bench/report';
import type { Measured } from '../../../bench/rows';
import { peerRow, workloadRow } from './rows';

const run = (part: Partial<Measured>): Measured => ({
  packed: 'nestjs-streamback-1.2.3.tgz',
  at: '2026-01-01T00:00:00.000Z',
  node: 'v20.19.0',
  cores: 2,
  pinned: true,
  options: { rounds: 1, seconds: 2 },
  workloads: [],
  peers: [],
  skipped: [],
  failures: [],
  ...part,
});
const both = (own: number, other: number, workload = 'rpc100') => [
  workloadRow({ workload, ratePerSecond: own }),
  workloadRow({ workload, ratePerSecond: other, peer: 'handwritten' }),
];

describe('the report', () => {
  it('has the workloads in their own order, then peers, targets, what was left out and what failed', () => {
    const measured = run({
      workloads: [...both(1, 1, 'stream100'), ...both(1, 1, 'oneway')],
      peers: [peerRow({})],
      skipped: ['nest-nats: no nats-server on the PATH'],
      failures: ['round 1, nest-tcp: gone'],
    });
    const [workloads, peers, targets, ...rest] = reportOf(measured, ['handwritten', 'streamback'], plainOf).split('\n\n');
    expect(workloads!.match(/^(oneway|stream100) +(\w+)/gm)).toEqual([
      'oneway     handwritten',
      'oneway     streamback',
      'stream100  handwritten',
      'stream100  streamback',
    ]);
    expect(peers).toMatch(/^peer .+\nstreamback /);
    expect(targets).toMatch(/^oneway .+ met$/m);
    expect(rest).toEqual(['skipped: nest-nats: no nats-server on the PATH', 'failed: round 1, nest-tcp: gone']);
  });

  it('joins runs without mixing their rounds', () => {
    const first = run({ workloads: both(10, 20), peers: [peerRow({})], skipped: ['one'], options: { rounds: 2, seconds: 2 } });
    const second = run({ workloads: both(30, 20), peers: [peerRow({})], skipped: ['one'], failures: ['two'], pinned: false });
    const { workloads, peers, options, pinned, skipped, failures } = joined([first, second]);
    expect(workloads.map(({ round, ratePerSecond }) => [round, ratePerSecond])).toEqual([
      [1, 10],
      [1, 20],
      [3, 30],
      [3, 20],
    ]);
    expect(peers.map(({ round }) => round)).toEqual([1, 3]);
    expect({ rounds: options.rounds, pinned, skipped, failures }).toEqual({
      rounds: 3,
      pinned: false,
      skipped: ['one'],
      failures: ['two'],
    });
  });
});
