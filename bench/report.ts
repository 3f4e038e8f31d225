import type { Table } from './layout';
import type { Measured } from './rows';
import { peerTable, targetTable, workloadTable } from './table';
import { TARGETS } from './targets';
import { judge } from './verdicts';
import { WORKLOADS } from './workloads';

/** All tables of what was measured, and what was not. */
export function reportOf(measured: Measured, peerNames: readonly string[], textOf: (table: Table) => string): string {
  const { workloads, peers, skipped, failures } = measured;
  const judged = TARGETS.flatMap((target) => judge(target, measured) ?? []);
  const ordered = WORKLOADS.flatMap(({ name }) => workloads.filter(({ workload }) => workload === name));
  const tables = [workloadTable(ordered, peerNames), peerTable(peers, peerNames), targetTable(judged)];
  return [
    ...tables.filter(({ lines }) => lines.length > 0).map(textOf),
    ...skipped.map((reason) => `skipped: ${reason}`),
    ...failures.map((reason) => `failed: ${reason}`),
  ].join('\n\n');
}

/** What several runs have measured, as if it were one: their rounds stay apart, so that ratios are still taken within one. */
export function joined(runs: readonly Measured[]): Measured {
  const [first] = runs;
  if (!first) throw new Error('there is nothing to join');
  let before = 0;
  const apart = runs.map((run) => {
    const own = <Row extends { readonly round: number }>(row: Row): Row => ({ ...row, round: row.round + before });
    const workloads = run.workloads.map(own);
    const peers = run.peers.map(own);
    before += run.options.rounds;
    return { workloads, peers };
  });
  return {
    ...first,
    packed: [...new Set(runs.map(({ packed }) => packed))].join(', '),
    pinned: runs.every(({ pinned }) => pinned),
    options: { ...first.options, rounds: before },
    workloads: apart.flatMap(({ workloads }) => workloads),
    peers: apart.flatMap(({ peers }) => peers),
    skipped: [...new Set(runs.flatMap(({ skipped }) => skipped))],
    failures: runs.flatMap(({ failures }) => failures),
  };
}
