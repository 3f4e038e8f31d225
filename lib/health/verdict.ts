import { StreambackError } from '../common/errors';
import { redact } from '../common/redact';
import type { ConsumerFacts } from '../consumer/consumer-facts';
import type { StreamStatus } from '../streams/main-stream';
import type { ProbeOutcome } from './probe';

export type StreambackHealthStatus = 'up' | 'down';

/** What is known of one stream at one moment. */
export interface StreamFacts {
  /** The system: `kafka`, `redis`. */
  readonly name: string;
  readonly status: StreamStatus;
  readonly answer: ProbeOutcome;
}

/** What is known of one connection at one moment. */
export interface ConnectionFacts {
  readonly main: StreamFacts;
  /** Nothing where messages go one way only. */
  readonly feedback?: StreamFacts | undefined;
  /** Nothing where nothing listens on it. */
  readonly consumer?: ConsumerFacts | undefined;
  /** Messages in this process's partitions that are not settled, where that could be told. */
  readonly lag?: number | undefined;
  /** Work has come in and nothing was done for so long, in ms. */
  readonly stalledMs: number;
}

/** A connection's health. */
export interface StreambackConnectionHealth {
  readonly status: StreambackHealthStatus;
  /** Why it is down, and what to do; without secrets. */
  readonly reason?: string;
  /** Whether the main stream answers. */
  readonly main: StreambackHealthStatus;
  /** Whether the feedback stream answers; null where there is none. */
  readonly feedback: StreambackHealthStatus | null;
  /** Partitions that this process reads; null where nothing listens. */
  readonly assignedPartitions: number | null;
  /** Since the broker last confirmed the membership, in ms; null where there is none. */
  readonly heartbeatAgeMs: number | null;
  /** Messages in those partitions that are not settled; null where it cannot be told. */
  readonly lag: number | null;
  /** Deliveries waiting and running in this process. */
  readonly inFlight: number;
}

/** A consumer that does nothing with what comes in is stuck after so long, in ms. */
const STUCK_MS = 60_000;
/** So many session timeouts without a heartbeat are no rebalance any more. */
const DEAD_SESSIONS = 3;

/** Whether it can take and answer work now. */
export function ready(facts: ConnectionFacts): StreambackConnectionHealth {
  return health(facts, [troubleOf(facts.main), troubleOf(facts.feedback), troubleOfConsumer(facts), stuck(facts)]);
}

/** Whether its process is worth keeping: a server that is away is no reason to restart, a consumer that is stuck is. */
export function live(facts: ConnectionFacts): StreambackConnectionHealth {
  return health(facts, facts.main.answer.kind === 'answered' ? [stuck(facts), lostHeartbeat(facts)] : []);
}

function health(facts: ConnectionFacts, troubles: readonly (string | undefined)[]): StreambackConnectionHealth {
  const { main, feedback, consumer, lag } = facts;
  const reasons = troubles.filter((trouble) => trouble !== undefined);
  return {
    status: upIf(reasons.length === 0),
    ...(reasons.length > 0 ? { reason: redact(reasons.join(' ')) } : {}),
    main: upIf(troubleOf(main) === undefined),
    feedback: feedback ? upIf(troubleOf(feedback) === undefined) : null,
    assignedPartitions: consumer?.assignedPartitions ?? null,
    heartbeatAgeMs: consumer?.heartbeat?.ageMs ?? null,
    lag: lag ?? null,
    inFlight: consumer?.inFlight ?? 0,
  };
}

const upIf = (well: boolean): StreambackHealthStatus => (well ? 'up' : 'down');

function troubleOf(stream: StreamFacts | undefined): string | undefined {
  if (!stream) return undefined;
  const { name, status, answer } = stream;
  if (answer.kind === 'failed') return described(answer.error);
  if (answer.kind === 'silent') {
    return `No answer from ${name} within ${answer.forMs} ms. Check that it runs and that the network lets this process through.`;
  }
  if (status !== 'reconnecting') return undefined;
  return `${name} answers, but not every connection to it is back yet: it is tried again. The log says why, where it lasts.`;
}

function troubleOfConsumer({ consumer }: ConnectionFacts): string | undefined {
  if (!consumer) return undefined;
  const { group, failure, joined, closing, heartbeat } = consumer;
  if (closing) return `Group '${group}' is not listened to any more: the server is closing.`;
  if (!joined) {
    if (failure !== undefined) return `Not listening yet as group '${group}': ${described(failure)}`;
    return `Not listening yet: group '${group}' is being joined. Wait for it.`;
  }
  if (!heartbeat || heartbeat.ageMs <= heartbeat.timeoutMs / 2) return undefined;
  return (
    `No heartbeat was confirmed in group '${group}' for ${heartbeat.ageMs} ms; its session ends after ${heartbeat.timeoutMs} ms. ` +
    'It joins again by itself; where it lasts, see the log, and whether a handler blocks the event loop.'
  );
}

function stuck({ stalledMs, lag }: ConnectionFacts): string | undefined {
  if (stalledMs <= STUCK_MS) return undefined;
  return `Stuck: ${lag ?? 'some'} messages wait, more come, and nothing was handled for ${stalledMs} ms. Restart the process.`;
}

/** The stream thinks that all is well, and its broker has long given it up. */
function lostHeartbeat({ consumer, main: { status } }: ConnectionFacts): string | undefined {
  const heartbeat = consumer?.heartbeat;
  if (!heartbeat || status === 'reconnecting') return undefined;
  if (heartbeat.ageMs <= Math.max(STUCK_MS, DEAD_SESSIONS * heartbeat.timeoutMs)) return undefined;
  return `Stuck: the broker answers, and no heartbeat was confirmed for ${heartbeat.ageMs} ms. Restart the process.`;
}

function described(error: unknown): string {
  if (error instanceof StreambackError) return `${error.code}: ${error.message.replace(/\.$/, '')}. ${error.remedy}`;
  return `${error instanceof Error ? error.message : String(error)}.`;
}
