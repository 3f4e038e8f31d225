import { setTimeout as pause } from 'node:timers/promises';
import type { ProcessReport, Role } from './child';
import type { ClientReport } from './measure';
import { startPeerProcess, type PeerProcess } from './peer-process';
import type { PeerEntry } from './peers';
import type { Pinning } from './pinning';
import { recordTo, type RecordingFolders } from './recording-folders';
import type { PeerRow, WorkloadRow } from './rows';
import type { Servers } from './servers';
import { extentOf, FIRST_WARM_UP, shortened, warmUpExtent, type Extent, type Workload } from './workloads';

/** How a round is run. */
export interface RoundOptions {
  readonly round: number;
  readonly workloads: readonly Workload[];
  readonly seconds: number;
  readonly idleSeconds: number;
  readonly pinning: Pinning;
  readonly recordings: RecordingFolders;
}

/** One peer in one round. */
export interface RoundRows {
  readonly peer: PeerRow;
  readonly workloads: readonly WorkloadRow[];
}

/** The processes of a peer; the same one twice where it is one. */
interface Pair {
  readonly client: PeerProcess;
  readonly server: PeerProcess;
}

const POLL_MS = 20;
const STALLED_MS = 6_000;
const SETTLE_MS = 500;
/** A run of its own, so that nothing is counted. */
const NO_RUN = -1;

let lastRun = 0;

/** What a round has measured before it failed. */
export class RoundFailure extends Error {
  constructor(
    readonly workloads: readonly WorkloadRow[],
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/**
 * Starts a peer's processes, runs the workloads one after another, each warmed up, and ends them.
 * @throws RoundFailure
 */
export async function runRound(entry: PeerEntry, servers: Servers, options: RoundOptions): Promise<RoundRows> {
  const { round, workloads, seconds, idleSeconds, pinning, recordings } = options;
  const opened = await servers.open();
  const processes: PeerProcess[] = [];
  const rows: WorkloadRow[] = [];
  const start = async (role: Role): Promise<PeerProcess> => {
    const started = await startPeerProcess(entry.name, role, opened.venue, pinning);
    processes.unshift(started);
    return started;
  };
  try {
    const server = await start(entry.inOneProcess ? 'both' : 'server');
    const client = entry.inOneProcess ? server : await start('client');
    const pair = { client, server };
    const firstCallMs = await client.ask<number>({ command: 'probe' });
    const firstAnswerMs = performance.now() - client.startedAt;
    const atRest = await report(pair, NO_RUN);
    const idle = idleSeconds > 0 ? await idleShare(pair, idleSeconds) : undefined;

    await measured(pair, servers, FIRST_WARM_UP, warmUpExtent(FIRST_WARM_UP, seconds));
    for (const each of workloads) {
      const workload = shortened(each, seconds);
      if (workload.warmUp > 0) await measured(pair, servers, workload, warmUpExtent(workload, seconds));
      const recording = await recordTo(recordings, pair, `round-${round}`, `${entry.name}.${workload.name}`);
      const figures = await measured(pair, servers, workload, extentOf(workload, seconds));
      await recording.stop();
      rows.push({ round, peer: entry.name, workload: workload.name, ...figures });
    }
    const afterLoad = await report(pair, NO_RUN);
    const peer = {
      round,
      peer: entry.name,
      serverReadyMs: server.readyMs,
      firstAnswerMs,
      firstCallMs,
      idleClientShare: idle?.client,
      idleServerShare: idle?.server,
      restClientBytes: atRest.client.rssBytes,
      restServerBytes: atRest.server.rssBytes,
      loadedClientBytes: afterLoad.client.rssBytes,
      loadedServerBytes: afterLoad.server.rssBytes,
    };
    return { peer, workloads: rows };
  } catch (error) {
    throw new RoundFailure(rows, error);
  } finally {
    for (const each of processes) await each.close();
    await opened.close();
  }
}

interface Reports {
  readonly client: ProcessReport;
  readonly server: ProcessReport;
}

/** What one process for both takes, is the client's. */
async function report({ client, server }: Pair, run: number): Promise<Reports> {
  const of = (process: PeerProcess): Promise<ProcessReport> => process.ask({ command: 'report', run });
  if (client !== server) {
    const [clientReport, serverReport] = await Promise.all([of(client), of(server)]);
    return { client: clientReport, server: serverReport };
  }
  const both = await of(client);
  return { client: both, server: { ...both, cpuMicros: 0, rssBytes: 0 } };
}

/** Share of a core that connected processes take while nothing is asked of them. */
async function idleShare(pair: Pair, seconds: number): Promise<{ client: number; server: number }> {
  await pause(SETTLE_MS);
  const before = await report(pair, NO_RUN);
  await pause(seconds * 1_000);
  const after = await report(pair, NO_RUN);
  const share = (role: 'client' | 'server'): number => (after[role].cpuMicros - before[role].cpuMicros) / (seconds * 1e6);
  return { client: share('client'), server: share('server') };
}

type Figures = Omit<WorkloadRow, 'round' | 'peer' | 'workload'>;

async function measured(pair: Pair, servers: Servers, workload: Workload, extent: Extent): Promise<Figures> {
  const { client } = pair;
  const run = ++lastRun;
  const before = await report(pair, run);
  const brokersBefore = servers.cpuMicros();
  const watch = workload.kind === 'reads' ? watchWaiting(pair, run) : undefined;
  const sending = await client.ask<ClientReport>({ command: 'measure', workload, run, extent });
  const waiting = await watch?.stop();
  const after = await handledAll(pair, run, sending.sent);
  const brokersMicros = servers.cpuMicros() - brokersBefore;
  const isOneWay = workload.kind === 'events';
  const elapsedMs = isOneWay ? after.server.lastAtMs - sending.startedAtMs : sending.elapsedMs;
  return {
    ratePerSecond: ((isOneWay ? after.server.handled : sending.received) * 1_000) / elapsedMs,
    p50Ms: sending.p50Ms || undefined,
    p99Ms: sending.p99Ms || undefined,
    firstItemMs: sending.firstItemMs || undefined,
    clientMicros: sending.cpuMicros / sending.received,
    serverMicros: (after.server.cpuMicros - before.server.cpuMicros) / sending.received,
    brokersMicros: brokersMicros / sending.received,
    lost: isOneWay ? sending.sent - after.server.handled : sending.lost,
    twice: sending.twice + after.server.twice,
    disordered: sending.disordered,
    waiting,
    clientBytes: after.client.rssBytes,
    serverBytes: after.server.rssBytes,
    errors: sending.errors,
  };
}

/** Looks again and again how many items are made and not read; `stop` gives the most. */
function watchWaiting(pair: Pair, run: number): { stop(): Promise<number> } {
  let most = 0;
  let goesOn = true;
  const watching = (async () => {
    while (goesOn) {
      const { client, server } = await report(pair, run);
      most = Math.max(most, server.made - client.received);
      await pause(POLL_MS);
    }
  })();
  return {
    async stop() {
      goesOn = false;
      await watching;
      return most;
    },
  };
}

/** The reports once the server has handled all, or has stood still for long. */
async function handledAll(pair: Pair, run: number, sent: number): Promise<Reports> {
  let progressAt = performance.now();
  let reports = await report(pair, run);
  while (reports.server.handled < sent && performance.now() - progressAt < STALLED_MS) {
    await pause(POLL_MS);
    const next = await report(pair, run);
    if (next.server.handled > reports.server.handled) progressAt = performance.now();
    reports = next;
  }
  return reports;
}
