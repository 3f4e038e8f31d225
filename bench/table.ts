import { figure, pairedRatios, spreadOf, spreadText } from './figures';
import { REFERENCE } from './peers';
import type { PeerRow, WorkloadRow } from './rows';

const HEADINGS: readonly (readonly [heading: string, rule: string])[] = [
  ['workload', '---'],
  ['peer', '---'],
  ['rate /s, median (min-max)', '--:'],
  [`x ${REFERENCE}`, '--:'],
  ['p50 ms', '--:'],
  ['p99 ms', '--:'],
  ['CPU us a message, client + server', '--:'],
  ['brokers us', '--:'],
  ['lost', '--:'],
  ['twice', '--:'],
  ['out of order', '--:'],
  ['RSS MB, client + server', '--:'],
  ['notes', '---'],
];

const PEER_HEADINGS: typeof HEADINGS = [
  ['peer', '---'],
  ['server: start to ready, ms', '--:'],
  ['client: start to first answer, ms', '--:'],
  ['of which the first call', '--:'],
  ['idle, % of a core, client + server', '--:'],
  ['RSS MB at rest, client + server', '--:'],
  ['RSS MB after load', '--:'],
];

/** All workloads and peers in one Markdown table, those of a workload together, in the order they came in. */
export function workloadTable(rows: readonly WorkloadRow[], peers: readonly string[]): string {
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  const lines = workloads.flatMap((workload) => {
    const ofPeer = (peer: string): WorkloadRow[] => rows.filter((row) => row.workload === workload && row.peer === peer);
    const measured = peers.filter((peer) => ofPeer(peer).length > 0);
    return measured.map((peer) => cellsOf(workload, peer, ofPeer(peer), ofPeer(REFERENCE)));
  });
  return markdown(HEADINGS, lines);
}

/** What holds for a peer whatever it is measured with. */
export function peerTable(rows: readonly PeerRow[], peers: readonly string[]): string {
  const lines = peers.flatMap((peer) => {
    const own = rows.filter((row) => row.peer === peer);
    return own.length > 0 ? [peerCells(peer, own)] : [];
  });
  return markdown(PEER_HEADINGS, lines);
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
  if (waiting.length > 0) return `at most ${figure(Math.max(...waiting))} waiting`;
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

function markdown(headings: typeof HEADINGS, lines: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(headings.map(([heading]) => heading)), line(headings.map(([, rule]) => rule)), ...lines.map(line)].join('\n');
}
