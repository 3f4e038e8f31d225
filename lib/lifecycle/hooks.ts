import type { StreambackAbortError } from '../common/errors';
import type { SupervisorTick, WorkerInfo } from '../common/process-role';
import type { TopicPartition } from '../streams/main-stream';
import type { WorkerStats } from './worker-stats';

/** What became of one message, over all its tries. */
export interface ConsumeResult {
  /**
   * `failed`: its handler threw, be it something that its requester is told as an answer. `cancelled`: it was stopped before it was done;
   * it comes again where the reason was SHUTDOWN or REVOKED.
   */
  readonly status: 'done' | 'failed' | 'cancelled';
  /** Answers of the last try; 0 for an event. */
  readonly answers: number;
  /** From the handler's first call to the end, waits between tries included and `onConsumeBegin` not, in ms. */
  readonly durationMs: number;
  /** From the handler's first call to the first answer of the last try, in ms; null without an answer. */
  readonly firstAnswerMs: number | null;
  /** The same to its last answer. */
  readonly lastAnswerMs: number | null;
}

/** A try that failed, and is followed by another. */
export interface ConsumeRetry {
  /** As the handler threw it. */
  readonly error: unknown;
  /** Which attempt has failed, from 1. */
  readonly attempt: number;
  /** Until the next one, in ms. */
  readonly delayMs: number;
}

/** Partitions that came to this process, or went. */
export interface StreambackRebalance {
  readonly connection: string;
  readonly assigned: readonly TopicPartition[];
  readonly revoked: readonly TopicPartition[];
}

/** What listens on a connection of this process. */
export interface StreambackListening {
  readonly connection: string;
  readonly group: string;
  /** In a worker, which it is. */
  readonly worker: WorkerInfo | null;
  readonly patterns: readonly string[];
  /**
   * Messages that the group, in whatever process, has not handled, by pattern; nothing of a pattern whose stream cannot tell.
   * @throws StreambackConnectionError
   */
  lag(): Promise<ReadonlyMap<string, number>>;
  /** Calls `onStats` of every provider that has it. */
  tellStats(stats: WorkerStats): void;
}

/**
 * What a lifecycle provider may implement; each is optional. Those that say so are awaited, all others only called. One that throws or
 * rejects is logged, and changes nothing.
 */
export interface LifecycleHooks<Context, Letter> {
  /** Before the handler of a message is called for the first time. Awaited: the handler waits for it. */
  readonly onConsumeBegin?: ((context: Context) => unknown) | undefined;
  /** A message is over, whatever became of it; once for each that began. Awaited: the message is settled afterwards. */
  readonly onConsumeEnd?: ((context: Context, result: ConsumeResult) => unknown) | undefined;
  /** A message has failed for good, with this error, as the handler threw it: an RpcException, too. */
  readonly onConsumeError?: ((context: Context, error: unknown) => unknown) | undefined;
  /** A try has failed, and another one follows. */
  readonly onRetry?: ((context: Context, retry: ConsumeRetry) => unknown) | undefined;
  /** A message was put aside, and its letter is stored. */
  readonly onDeadLetter?: ((letter: Letter) => unknown) | undefined;
  /** A handler was stopped, for this reason. */
  readonly onCancel?: ((context: Context, reason: StreambackAbortError) => unknown) | undefined;
  /** Partitions came or went; where the options name patterns, of their topics alone. */
  readonly onRebalance?: ((change: StreambackRebalance) => unknown) | undefined;
  /** A connection of this process begins to listen; not in the parent of workers. */
  readonly onListen?: ((listening: StreambackListening) => unknown) | undefined;
  /** In a worker, once, before it takes messages. Awaited. */
  readonly onWorkerStart?: ((worker: WorkerInfo) => unknown) | undefined;
  /** In the parent of workers, each time it has looked at the lag: each `rescaleIntervalMs`. */
  readonly onSupervisorTick?: ((tick: SupervisorTick) => unknown) | undefined;
  /** Figures of this process; somebody must take them: the extension `ListenerStats` does. */
  readonly onStats?: ((stats: WorkerStats) => unknown) | undefined;
}

export type HookName = keyof LifecycleHooks<unknown, unknown>;

const HOOKS: Readonly<Record<HookName, true>> = {
  onConsumeBegin: true,
  onConsumeEnd: true,
  onConsumeError: true,
  onRetry: true,
  onDeadLetter: true,
  onCancel: true,
  onRebalance: true,
  onListen: true,
  onWorkerStart: true,
  onSupervisorTick: true,
  onStats: true,
};

export const HOOK_NAMES = Object.keys(HOOKS) as readonly HookName[];
