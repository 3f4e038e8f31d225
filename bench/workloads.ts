import { message, type PeerClient } from './peer';

export interface Workload {
  readonly name: string;
  readonly kind: 'events' | 'calls' | 'streams';
  readonly inFlight: number;
  /** Items of an answer, where it is streamed. */
  readonly items?: number;
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'oneway', kind: 'events', inFlight: 1_000 },
  { name: 'rpc1', kind: 'calls', inFlight: 1 },
  { name: 'rpc100', kind: 'calls', inFlight: 100 },
  { name: 'stream10k', kind: 'streams', inFlight: 1, items: 10_000 },
];

/** What a client process has seen of one measurement. */
export interface ClientReport {
  readonly sent: number;
  /** Calls answered, items received, or events acknowledged. */
  readonly received: number;
  /** Messages without an end, and items that did not come. */
  readonly lost: number;
  /** Answers beyond those asked for. */
  readonly duplicates: number;
  readonly disordered: number;
  readonly errors: readonly string[];
  readonly startedAtMs: number;
  readonly elapsedMs: number;
  /** Of a call, or of a stream from its request to its end; 0 for events. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of this process during the measurement, user and system, in us. */
  readonly cpuMicros: number;
}

/** A client that has seen no progress for so long has lost what is open. */
const STALLED_MS = 6_000;
const MAX_ERRORS = 10;

/** Keeps so many messages in flight for some time, and waits for the last of them. */
export async function measure(client: PeerClient, workload: Workload, run: number, durationMs: number): Promise<ClientReport> {
  const { kind, inFlight, items } = workload;
  const latenciesMs: number[] = [];
  const errors: string[] = [];
  let sent = 0;
  let ended = 0;
  let received = 0;
  let lost = 0;
  let duplicates = 0;
  let disordered = 0;
  let progress = 0;
  let lastAt = 0;

  const exchange = async (id: number): Promise<void> => {
    const request = message(run, id, items);
    if (kind === 'events') {
      await client.emit(request);
      received += 1;
      return;
    }
    const wanted = items ?? 1;
    let next = items === undefined ? id : 0;
    let got = 0;
    const startedAt = performance.now();
    await client.ask(kind, request, (answer) => {
      got += 1;
      progress += 1;
      if (got > wanted) duplicates += 1;
      else if (answer.id === next) next += 1;
      else disordered += 1;
    });
    latenciesMs.push(performance.now() - startedAt);
    received += Math.min(got, wanted);
    lost += Math.max(wanted - got, 0);
  };
  const loop = async (): Promise<void> => {
    while (performance.now() < end && errors.length < MAX_ERRORS) {
      try {
        await exchange(sent++);
      } catch (error) {
        lost += items ?? 1;
        errors.push(String(error));
      }
      ended += 1;
      progress += 1;
      lastAt = performance.now();
    }
  };

  const startedAtMs = Date.now();
  const start = performance.now();
  const end = start + durationMs;
  const cpu = process.cpuUsage();
  await Promise.race([Promise.all(Array.from({ length: inFlight }, loop)), stalled(() => progress)]);
  const { user, system } = process.cpuUsage(cpu);
  latenciesMs.sort((a, b) => a - b);
  return {
    sent,
    received,
    lost: lost + (sent - ended) * (items ?? 1),
    duplicates,
    disordered,
    errors,
    startedAtMs,
    elapsedMs: lastAt - start,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    cpuMicros: user + system,
  };
}

/** Resolves once `progress` has stood still for long. */
async function stalled(progress: () => number): Promise<void> {
  for (let before = -1; before !== progress();) {
    before = progress();
    await new Promise((resolve) => setTimeout(resolve, STALLED_MS).unref());
  }
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
