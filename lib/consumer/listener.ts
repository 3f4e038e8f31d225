import { withoutUndefined } from '../common/option-rules';
import type { ListenerHooks } from '../lifecycle/told-hooks';
import type { DeadLetter } from './dead-letter';
import type { StreambackRetryOptions } from './retry';
import type { BatchRun } from './batch-run';
import type { Run } from './run';

/** What never runs side by side: messages of one key, of one partition, or nothing (M4). */
export type StreambackOrder = 'key' | 'partition' | 'none';

/** How a listener takes its messages. */
export interface StreambackListenerOptions {
  /** Deliveries handled at once in one process. @default 100 */
  readonly concurrency?: number | undefined;
  /** What never runs side by side. @default 'key' */
  readonly order?: StreambackOrder | undefined;
  /** Whether a cancel, the deadline and the client's death stop the handler. `false` for work that must finish. @default true */
  readonly cancellable?: boolean | undefined;
  /** Answers of an Observable held for a slow reader; beyond, the lane errs OVERFLOW. @default 10_000 */
  readonly maxBuffered?: number | undefined;
  /** How a handler that failed is tried again. @default { times: 0 } */
  readonly retry?: StreambackRetryOptions | undefined;
  /**
   * The topic for what has failed for good, named as a pattern is; `false`: nowhere, only logged. What cannot be decoded always goes to
   * `<topic>.dlt`.
   * @default events `<topic>.dlt`, requests false
   */
  readonly deadLetterTopic?: string | false | undefined;
  /**
   * Worker processes of its own, where the app is started by `runWorkers`: a number, `[min, max]`, or `[[lag, processes], …]`.
   * @default the pool, which all listeners without share
   */
  readonly processes?: number | readonly [min: number, max: number] | readonly (readonly [lag: number, processes: number])[] | undefined;
}

/** A listener's options, whole; the default of `deadLetterTopic` depends on the message, and `processes` has none. */
export type ListenerOptions = Required<Omit<StreambackListenerOptions, 'deadLetterTopic' | 'processes'>> &
  Pick<StreambackListenerOptions, 'deadLetterTopic' | 'processes'>;

export const DEFAULT_LISTENER_OPTIONS = {
  concurrency: 100,
  order: 'key',
  cancellable: true,
  maxBuffered: 10_000,
  retry: { times: 0 },
} as const satisfies ListenerOptions;

/** Options with what they leave out; `undefined` counts as left out. */
export function withDefaults(given: StreambackListenerOptions, defaults: ListenerOptions): ListenerOptions {
  return {
    concurrency: given.concurrency ?? defaults.concurrency,
    order: given.order ?? defaults.order,
    cancellable: given.cancellable ?? defaults.cancellable,
    maxBuffered: given.maxBuffered ?? defaults.maxBuffered,
    retry: { ...defaults.retry, ...withoutUndefined(given.retry ?? {}) },
    deadLetterTopic: given.deadLetterTopic ?? defaults.deadLetterTopic,
    processes: given.processes ?? defaults.processes,
  };
}

/** A handler bound to a pattern, with its options. */
export interface Listener {
  readonly pattern: string;
  /** The full topic name. */
  readonly topic: string;
  readonly options: ListenerOptions;
  /**
   * Handles one message. What it gives is answered: a value, an Observable, an iterable, an async iterable, or a promise of one;
   * what it throws is an error for the requester, as it stands.
   */
  handle(run: Run): unknown;
  /** Told of its messages; nothing where nobody listens. */
  readonly hooks?: ListenerHooks<Run, DeadLetter> | undefined;
  /** Nothing in it answers: what fails is put aside as an event is, whatever its sender made of it. @default false */
  readonly takesEvents?: boolean | undefined;
  /** Set where it takes many messages at once; `handle` is not called then. */
  readonly batch?: BatchListener | undefined;
}

/** How a listener takes messages in batches. */
export interface BatchListener {
  /** Messages of a batch at most. */
  readonly size: number;
  /** How long a message waits for others, in ms. */
  readonly maxWaitMs: number;
  /**
   * Handles the messages of a batch. An array as long as the batch answers each request with its own element; anything else answers
   * nothing. What it throws is the error of all.
   */
  handle(batch: BatchRun): unknown;
}
