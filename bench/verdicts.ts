import { pairedDifferences, pairedRatios, spreadOf, type Spread } from './figures';
import { SUBJECT } from './peers';
import type { Measured, PeerRow, WorkloadRow } from './rows';
import type { Measure, Target } from './targets';

/** Inconclusive: the rounds lie on both sides of the bound. By CPU: those of the rate do, and those of the CPU a message do not. */
export type Verdict = 'met' | 'not met' | 'met by CPU' | 'not met by CPU' | 'inconclusive';

export interface Judged {
  readonly target: Target;
  readonly verdict: Verdict;
  /** Of the measure, round by round. */
  readonly spread: Spread;
  /** The same of the CPU a message; for workloads alone. */
  readonly cpuSpread?: Spread;
}

const OF_WORKLOAD: Partial<Readonly<Record<Measure, (row: WorkloadRow) => number | undefined>>> = {
  rate: ({ ratePerSecond }) => ratePerSecond,
  p50: ({ p50Ms }) => p50Ms,
  'first item': ({ firstItemMs }) => firstItemMs,
};
const OF_PEER: Partial<Readonly<Record<Measure, (row: PeerRow) => number | undefined>>> = {
  'RSS after load': ({ loadedClientBytes, loadedServerBytes }) => loadedClientBytes + loadedServerBytes,
  'start to first answer': ({ firstAnswerMs }) => firstAnswerMs,
  'idle client, %': ({ idleClientShare }) => idleClientShare && idleClientShare * 100,
  'idle server, %': ({ idleServerShare }) => idleServerShare && idleServerShare * 100,
};
const DIFFERENCES: readonly Measure[] = ['idle client, %', 'idle server, %'];
/** From this share of the core on, which client and server have together, a peer's rate is told by its CPU a message. */
const FULL_CORE = 0.9;

/** Holds what was measured against a target; undefined where either peer was not. */
export function judge(target: Target, { workloads, peers, pinned }: Pick<Measured, 'workloads' | 'peers' | 'pinned'>): Judged | undefined {
  const { workload, measure, against, againstWorkload = workload } = target;
  const compare = DIFFERENCES.includes(measure) ? pairedDifferences : pairedRatios;
  const ofWorkload = (peer: string, name: string | undefined): WorkloadRow[] =>
    workloads.filter((row) => row.peer === peer && row.workload === name);
  const ofPeer = (peer: string): PeerRow[] => peers.filter((row) => row.peer === peer);
  const [own, other] = [ofWorkload(SUBJECT, workload), ofWorkload(against, againstWorkload)];
  const inWorkload = OF_WORKLOAD[measure];
  const spread = spreadOf(inWorkload ? compare(own, other, inWorkload) : compare(ofPeer(SUBJECT), ofPeer(against), OF_PEER[measure]!));
  if (!spread) return undefined;
  const cpuSpread = spreadOf(pairedRatios(own, other, cpuMicros));
  const cpuTells = measure === 'rate' && pinned && fillsCore(own) && fillsCore(other);
  return { target, verdict: verdictOf(target, spread, cpuTells ? cpuSpread : undefined), spread, cpuSpread };
}

const cpuMicros = ({ clientMicros, serverMicros }: WorkloadRow): number => clientMicros + serverMicros;

function fillsCore(rows: readonly WorkloadRow[]): boolean {
  const shares = spreadOf(rows.map((row) => (cpuMicros(row) * row.ratePerSecond) / 1e6));
  return shares !== undefined && shares.median >= FULL_CORE;
}

/** @param cpu given where a rate is told by it */
function verdictOf({ atLeast = -Infinity, atMost = Infinity }: Target, { min, median, max }: Spread, cpu: Spread | undefined): Verdict {
  if (min >= atLeast && max <= atMost) return 'met';
  if (max < atLeast || min > atMost) return 'not met';
  if (!cpu || atLeast <= 0) return 'inconclusive';
  // Both are to say the same: the shares of the core may differ by a tenth.
  if (cpu.max <= 1 / atLeast && median >= atLeast) return 'met by CPU';
  return cpu.min > 1 / atLeast && median < atLeast ? 'not met by CPU' : 'inconclusive';
}
