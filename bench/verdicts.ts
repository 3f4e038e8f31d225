import { pairedDifferences, pairedRatios, spreadOf, type Spread } from './figures';
import { SUBJECT } from './peers';
import type { PeerRow, WorkloadRow } from './rows';
import type { Measure, Target } from './targets';

/** Inconclusive: the rounds lie on both sides of the bound. */
export type Verdict = 'met' | 'not met' | 'inconclusive';

export interface Judged {
  readonly target: Target;
  readonly verdict: Verdict;
  /** Of the measure, round by round. */
  readonly spread: Spread;
  /** The same of the CPU a message, which decides where rates are too noisy; for workloads alone. */
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

/** Holds what was measured against a target; undefined where either peer was not. */
export function judge(target: Target, workloads: readonly WorkloadRow[], peers: readonly PeerRow[]): Judged | undefined {
  const { workload, measure, against, againstWorkload = workload } = target;
  const compare = DIFFERENCES.includes(measure) ? pairedDifferences : pairedRatios;
  const ofWorkload = (peer: string, name: string | undefined): WorkloadRow[] =>
    workloads.filter((row) => row.peer === peer && row.workload === name);
  const ofPeer = (peer: string): PeerRow[] => peers.filter((row) => row.peer === peer);
  const [own, other] = [ofWorkload(SUBJECT, workload), ofWorkload(against, againstWorkload)];
  const inWorkload = OF_WORKLOAD[measure];
  const spread = spreadOf(inWorkload ? compare(own, other, inWorkload) : compare(ofPeer(SUBJECT), ofPeer(against), OF_PEER[measure]!));
  if (!spread) return undefined;
  const cpuSpread = spreadOf(pairedRatios(own, other, ({ clientMicros, serverMicros }) => clientMicros + serverMicros));
  return { target, verdict: verdictOf(target, spread), spread, cpuSpread };
}

function verdictOf({ atLeast = -Infinity, atMost = Infinity }: Target, { min, max }: Spread): Verdict {
  if (min >= atLeast && max <= atMost) return 'met';
  return max < atLeast || min > atMost ? 'not met' : 'inconclusive';
}
