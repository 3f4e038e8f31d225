import { figure, pairedRatios, spreadOf, spreadText } from './figures';
import type { Heading, Table } from './layout';
import { REFERENCE } from './peers';
import type { PeerRow, WorkloadRow } from './rows';
import type { Judged } from './verdicts';

const HEADINGS: readonly Heading[] = [
  { text: 'workload' },
  { text: 'peer' },
  { text: 'rate /s, median (min-max)', isNumber: true },
  { text: `x ${REFERENCE}`, isNumber: true },
  { text: 'p50 ms', isNumber: true },
  { text: 'p99 ms', isNumber: true },
  { text: 'CPU us a message, client + server', isNumber: true },
  { text: 'brokers us', isNumber: true },
  { text: 'lost', isNumber: true },
  { text: 'twice', isNumber: true },
  { text: 'out of order', isNumber: true },
  { text: 'RSS MB, client + server', isNumber: true },
  { text: 'notes' },
];

const PEER_HEADINGS: readonly Heading[] = [
  { text: 'peer' },
  { text: 'server: start to ready, ms', isNumber: true },
  { text: 'client: start to first answer, ms', isNumber: true },
  { text: 'of which the first call', isNumber: true },
  { text: 'idle, % of a core, client + server', isNumber: true },
  { text: 'RSS MB at rest, client + server', isNumber: true },
  { text: 'RSS MB after load', isNumber: true },
];

const TARGET_HEADINGS: readonly Heading[] = [
  { text: 'workload' },
  { text: 'measure' },
  { text: 'against' },
  { text: 'target', isNumber: true },
  { text: 'measured, median (min-max)', isNumber: true },
  { text: 'CPU a message', isNumber: true },
  { text: 'verdict' },
];

/** All workloads and peers in one table, those of a workload together, in the order they came in. */
export function workloadTable(rows: readonly WorkloadRow[], peers: readonly string[]): Table {
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  const lines = workloads.flatMap((workload) => {
    const ofPeer = (peer: string): WorkloadRow[] => rows.filter((row) => row.workload === workload && row.peer === peer);
    const measured = peers.filter((peer) => ofPeer(peer).length > 0);
    return measured.map((peer) => cellsOf(workload, peer, ofPeer(peer), ofPeer(REFERENCE)));
  });
  return { headings: HEADINGS, lines };
}

/** What holds for a peer whatever it is measured with. */
export function peerTable(rows: readonly PeerRow[], peers: readonly string[]): Table {
  const lines = peers.flatMap((peer) => {
    const own = rows.filter((row) => row.peer === peer);
    return own.length > 0 ? [peerCells(peer, own)] : [];
  });
  return { headings: PEER_HEADINGS, lines };
}

/** Each target that both peers were measured for; ratios are the library's to the other's. */
export function targetTable(judged: readonly Judged[]): Table {
  const lines = judged.map(({ target, verdict, spread, cpuSpread }) => [
    target.workload ?? '',
    target.measure,
    target.againstWorkload ? `${target.against}, ${target.againstWorkload}` : target.against,
    target.atLeast === undefined ? `<= ${target.atMost}` : `>= ${target.atLeast}`,
    spreadText(spread),
    spreadText(cpuSpread),
    verdict,
  ]);
  return { headings: TARGET_HEADINGS, lines };
}

function cellsOf(workload: string, peer: string, rows: readonly WorkloadRow[], reference: readonly WorkloadRow[]): string[] {
  const middle = (pick: (row: WorkloadRow) => number | undefined): number | undefined => medianOf(rows, pick);
  const total = (pick: (row: WorkloadRow) => number): string => String(rows.reduce((sum, row) => sum + pick(row), 0));
  return [
    workload,
    peer,
    spreadText(spreadOf(rows.map(({ ratePerSecond }) => ratePerSecond))),
    spreadText(spreadOf(pairedRatios(rows, reference, ({ ratePerSecond }) => ratePerSecond))),
    figure(middle(({ p50Ms }) => p50Ms)),
    figure(middle(({ p99Ms }) => p99Ms)),
    sumText(
      rows,
      ({ clientMicros }) => clientMicros,
      ({ serverMicros }) => serverMicros,
    ),
    figure(middle(({ brokersMicros }) => brokersMicros)),
    total(({ lost }) => lost),
    total(({ twice }) => twice),
    total(({ disordered }) => disordered),
    sumText(
      rows,
      ({ clientBytes }) => clientBytes / 1e6,
      ({ serverBytes }) => serverBytes / 1e6,
    ),
    notesOf(
      middle(({ firstItemMs }) => firstItemMs),
      rows.flatMap(({ waiting }) => waiting ?? []),
    ),
  ];
}

function peerCells(peer: string, rows: readonly PeerRow[]): string[] {
  const spread = (pick: (row: PeerRow) => number): string => spreadText(spreadOf(rows.map(pick)));
  return [
    peer,
    spread(({ serverReadyMs }) => serverReadyMs),
    spread(({ firstAnswerMs }) => firstAnswerMs),
    figure(medianOf(rows, ({ firstCallMs }) => firstCallMs)),
    sumText(
      rows,
      ({ idleClientShare = NaN }) => idleClientShare * 100,
      ({ idleServerShare = NaN }) => idleServerShare * 100,
    ),
    sumText(
      rows,
      ({ restClientBytes }) => restClientBytes / 1e6,
      ({ restServerBytes }) => restServerBytes / 1e6,
    ),
    sumText(
      rows,
      ({ loadedClientBytes }) => loadedClientBytes / 1e6,
      ({ loadedServerBytes }) => loadedServerBytes / 1e6,
    ),
  ];
}

function notesOf(firstItemMs: number | undefined, waiting: readonly number[]): string {
  if (waiting.length > 0) return `at most ${Math.max(...waiting).toLocaleString('en')} waiting`;
  return firstItemMs === undefined ? '' : `first item p50 ${figure(firstItemMs)} ms`;
}

/** `both (client + server)`, of medians. */
function sumText<Row>(rows: readonly Row[], ofClient: (row: Row) => number, ofServer: (row: Row) => number): string {
  const client = medianOf(rows, ofClient);
  const server = medianOf(rows, ofServer);
  if (client === undefined || server === undefined) return figure(undefined);
  return `${figure(client + server)} (${figure(client)} + ${figure(server)})`;
}

function medianOf<Row>(rows: readonly Row[], pick: (row: Row) => number | undefined): number | undefined {
  return spreadOf(rows.map(pick).filter((value): value is number => value !== undefined && Number.isFinite(value)))?.median;
}
