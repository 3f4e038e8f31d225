import { setTimeout as pause } from 'node:timers/promises';
import { quantile } from './figures';
import { message, type Item, type Message, type PeerClient } from './peer';
import { readAll } from './reading';
import { Sequence } from './sequence';
import type { Extent, Workload } from './workloads';

/** What a client process has seen of one measurement. */
export interface ClientReport {
  readonly sent: number;
  /** Calls answered, items received, or events acknowledged. */
  readonly received: number;
  /** Messages without an end, and answers that did not come. */
  readonly lost: number;
  /** Answers that came again. */
  readonly twice: number;
  readonly disordered: number;
  /** Each once, however often it came. */
  readonly errors: readonly string[];
  readonly startedAtMs: number;
  readonly elapsedMs: number;
  /** Of a call, or of a stream from its request to its end; 0 for events. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From a stream's request to its first item, the median; 0 for others. */
  readonly firstItemMs: number;
  /** CPU of this process during the measurement, user and system, in us. */
  readonly cpuMicros: number;
}

/** A client that has seen no progress for so long has lost what is open. */
const STALLED_MS = 6_000;
const MAX_ERRORS = 10;

/** How far a measurement is, for whoever looks on. */
export interface Progress {
  received: number;
}

/** Keeps a number of messages in flight for some time, and waits for the last of them. */
export async function measure(
  client: PeerClient,
  workload: Workload,
  run: number,
  { durationMs, least, most = Infinity }: Extent,
  progress: Progress,
): Promise<ClientReport> {
  const { kind, inFlight, items, itemDelayMs } = workload;
  const latenciesMs: number[] = [];
  const firstsMs: number[] = [];
  const errors: string[] = [];
  let sent = 0;
  let ended = 0;
  let lost = 0;
  let twice = 0;
  let disordered = 0;
  let lastAt = 0;
  progress.received = 0;

  const goesOn = (): boolean => sent < most && errors.length < MAX_ERRORS && (sent < least || performance.now() < end);
  /** One of those in flight: what follows its answers is made once, and not for each message, so that the peer is what is measured. */
  const loop = async (): Promise<void> => {
    const sequence = new Sequence();
    let firstAt = 0;
    const onAnswer = (answer: Item): void => {
      if (firstAt === 0 && items !== undefined) firstAt = performance.now();
      progress.received += 1;
      sequence.take(answer.id);
    };
    const send = (request: Message): Promise<unknown> => {
      if (kind === 'events') return client.emit(request);
      if (kind === 'reads') return readAll(client, request, onAnswer, itemDelayMs ?? 0);
      return client.ask(kind, request, onAnswer);
    };
    while (goesOn()) {
      const request = message(run, sent++, workload);
      sequence.begin(items === undefined ? request.id : 0, items ?? 1);
      firstAt = 0;
      const startedAt = performance.now();
      try {
        await send(request);
        if (kind === 'events') onAnswer(request);
        else latenciesMs.push(performance.now() - startedAt);
        if (items !== undefined) firstsMs.push(firstAt - startedAt);
      } catch (error) {
        errors.push(String(error));
      }
      lost += sequence.missing;
      twice += sequence.twice;
      disordered += sequence.disordered;
      ended += 1;
      lastAt = performance.now();
    }
  };

  const startedAtMs = Date.now();
  const start = performance.now();
  const end = start + durationMs;
  const cpu = process.cpuUsage();
  await Promise.race([Promise.all(Array.from({ length: inFlight }, loop)), stalled(() => progress.received + ended)]);
  const { user, system } = process.cpuUsage(cpu);
  latenciesMs.sort((a, b) => a - b);
  firstsMs.sort((a, b) => a - b);
  return {
    sent,
    received: progress.received - twice,
    lost: lost + (sent - ended) * (items ?? 1),
    twice,
    disordered,
    errors: [...new Set(errors)],
    startedAtMs,
    elapsedMs: lastAt - start,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    firstItemMs: quantile(firstsMs, 0.5),
    cpuMicros: user + system,
  };
}

/** Resolves once what is done has stood still for long. */
async function stalled(done: () => number): Promise<void> {
  for (let before = -1; before !== done();) {
    before = done();
    await pause(STALLED_MS, undefined, { ref: false });
  }
}
