import { setTimeout as pause } from 'node:timers/promises';
import type { HandledReport } from './handled';
import { startPeerProcess, type PeerProcess } from './peer-process';
import type { Venue } from './peer';
import type { ClientReport, Workload } from './workloads';

/** One peer under one workload, once. */
export interface Result {
  readonly peer: string;
  readonly workload: string;
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly clientMicros: number;
  readonly serverMicros: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly disordered: number;
  readonly errors: readonly string[];
}

const WARM_UP_MS = 500;
/** A warm-up's streams are so many times shorter: the slowest peer needs seconds for a whole one. */
const WARM_UP_SHARE = 5;
const POLL_MS = 20;
const STALLED_MS = 6_000;

let lastRun = 0;

/** Starts a peer's two processes, runs the workloads one after another, each warmed up, and ends them. */
export async function runRound(
  peer: string,
  workloads: readonly Workload[],
  venue: Venue,
  durationMs: number,
  profileFolder?: string,
): Promise<Result[]> {
  const processes: PeerProcess[] = [];
  const start = async (role: 'client' | 'server'): Promise<PeerProcess> => {
    const started = await startPeerProcess(peer, role, venue, profileFolder);
    processes.unshift(started);
    return started;
  };
  try {
    const server = await start('server');
    const client = await start('client');
    await client.ask({ command: 'probe' });
    const results: Result[] = [];
    for (const workload of workloads) {
      const warmUp = { ...workload, items: workload.items && workload.items / WARM_UP_SHARE };
      await measured(peer, warmUp, client, server, WARM_UP_MS);
      results.push(await measured(peer, workload, client, server, durationMs));
    }
    return results;
  } finally {
    for (const each of processes) await each.close();
  }
}

async function measured(peer: string, workload: Workload, client: PeerProcess, server: PeerProcess, durationMs: number): Promise<Result> {
  const run = ++lastRun;
  const before = await server.ask<HandledReport>({ command: 'report', run });
  const report = await client.ask<ClientReport>({ command: 'measure', workload, run, durationMs });
  const after = await handledAll(server, run, report.sent);
  const isOneWay = workload.kind === 'events';
  const elapsedMs = isOneWay ? after.lastAtMs - report.startedAtMs : report.elapsedMs;
  return {
    peer,
    workload: workload.name,
    ratePerSecond: ((isOneWay ? after.handled : report.received) * 1_000) / elapsedMs,
    p50Ms: report.p50Ms,
    p99Ms: report.p99Ms,
    clientMicros: report.cpuMicros / report.received,
    serverMicros: (after.cpuMicros - before.cpuMicros) / report.received,
    lost: isOneWay ? report.sent - after.handled : report.lost,
    duplicates: report.duplicates + after.twice,
    disordered: report.disordered,
    errors: report.errors,
  };
}

/** The server's report once it has handled all, or has stood still for long. */
async function handledAll(server: PeerProcess, run: number, sent: number): Promise<HandledReport> {
  let progressAt = performance.now();
  let report = await server.ask<HandledReport>({ command: 'report', run });
  while (report.handled < sent && performance.now() - progressAt < STALLED_MS) {
    await pause(POLL_MS);
    const next = await server.ask<HandledReport>({ command: 'report', run });
    if (next.handled > report.handled) progressAt = performance.now();
    report = next;
  }
  return report;
}
