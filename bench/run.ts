import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArguments, type BenchOptions } from './arguments';
import { markdownOf, plainOf } from './layout';
import { installPacked } from './packed';
import { PEERS, REFERENCE, type PeerEntry } from './peers';
import { pin, type Pinning } from './pinning';
import { joined, reportOf } from './report';
import { RoundFailure, runRound } from './round';
import type { Measured, PeerRow, WorkloadRow } from './rows';
import { startServers, type ServerName, type Servers } from './servers';
import { WORKLOADS } from './workloads';

const BROKERS_WARM_UP = ['oneway', 'rpc10', 'rpc1000'];

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2));
  const earlier = options.from.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Measured);
  const measured = earlier.length > 0 ? joined(earlier) : await measureAll(options);
  keep(options, measured);
  const names = options.peers.map(({ name }) => name);
  console.log(reportOf(measured, names, options.markdown ? markdownOf : plainOf));
  if (measured.failures.length > 0) process.exitCode = 1;
}

function keep({ json }: BenchOptions, measured: Measured): void {
  if (json) writeFileSync(json, `${JSON.stringify(measured, undefined, 1)}\n`);
}

async function measureAll(options: BenchOptions): Promise<Measured> {
  const { peers, rounds, seconds } = options;
  const packed = installPacked();
  say(`what is measured is ${packed}`);
  const cores = availableParallelism();
  // Before the servers start: they inherit the core.
  const pinning = pin(options.pinned);
  if (pinning.reason) say(`not pinned: ${pinning.reason}`);
  const servers = await startServers(serversOf(peers));
  try {
    if (peers.some(({ needs }) => needs.includes('kafka'))) await warmUpBrokers(servers, options, pinning);
    const circumstances = { packed, at: new Date().toISOString(), node: process.version, cores, pinned: !pinning.reason };
    const measuredOf = (collected: Collected): Measured => ({ ...circumstances, options: { rounds, seconds }, ...collected });
    const collected = await runRounds(
      servers,
      options,
      (peer, round) => runRound(peer, servers, { ...options, round, pinning, recordings: options }),
      // A long run that is ended before its time has not been for nothing.
      (soFar) => keep(options, measuredOf(soFar)),
    );
    return measuredOf(collected);
  } finally {
    await servers.stop();
  }
}

const reference = PEERS.find(({ name }) => name === REFERENCE)!;

/** The servers of the peers; the reference, which warms Kafka up, needs Redis as well. */
function serversOf(peers: readonly PeerEntry[]): ReadonlySet<ServerName> {
  const needed = new Set(peers.flatMap(({ needs }) => needs));
  return needed.has('kafka') ? new Set([...needed, ...reference.needs]) : needed;
}

/** A Kafka that has just started compiles what it runs: whoever came first would pay for it. */
async function warmUpBrokers(servers: Servers, { seconds }: BenchOptions, pinning: Pinning): Promise<void> {
  say('warm-up');
  const workloads = WORKLOADS.filter(({ name }) => BROKERS_WARM_UP.includes(name));
  await runRound(reference, servers, { round: 0, workloads, seconds, idleSeconds: 0, pinning, recordings: {} });
}

type Collected = Pick<Measured, 'workloads' | 'peers' | 'skipped' | 'failures'>;

/** There and back through the peers, so that none is always the one after the same other. */
async function runRounds(
  { missing }: Servers,
  { peers, rounds }: BenchOptions,
  run: (peer: PeerEntry, round: number) => ReturnType<typeof runRound>,
  onCollected: (soFar: Collected) => void,
): Promise<Collected> {
  const workloads: WorkloadRow[] = [];
  const peerRows: PeerRow[] = [];
  const skipped: string[] = [];
  const failures: string[] = [];
  const collected: Collected = { workloads, peers: peerRows, skipped, failures };
  const able = peers.filter(({ name, needs }) => {
    const lacking = needs.find((need) => missing[need]);
    if (lacking) skipped.push(`${name}: ${missing[lacking]}`);
    return !lacking;
  });
  for (let round = 1; round <= rounds; round++) {
    for (const peer of round % 2 === 1 ? able : [...able].reverse()) {
      say(`round ${round} of ${rounds}: ${peer.name}`);
      try {
        const rows = await run(peer, round);
        workloads.push(...rows.workloads);
        peerRows.push(rows.peer);
        for (const { workload, errors } of rows.workloads) for (const error of errors) say(`  ${workload}: ${error}`);
      } catch (error) {
        if (error instanceof RoundFailure) workloads.push(...error.workloads);
        failures.push(`round ${round}, ${peer.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
      onCollected(collected);
    }
  }
  return collected;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
