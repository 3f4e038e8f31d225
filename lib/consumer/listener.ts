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
}

export const DEFAULT_LISTENER_OPTIONS = {
  concurrency: 100,
  order: 'key',
  cancellable: true,
  maxBuffered: 10_000,
} as const satisfies Required<StreambackListenerOptions>;

/** Options with what they leave out; `undefined` counts as left out. */
export function withDefaults(
  given: StreambackListenerOptions,
  defaults: Required<StreambackListenerOptions>,
): Required<StreambackListenerOptions> {
  return {
    concurrency: given.concurrency ?? defaults.concurrency,
    order: given.order ?? defaults.order,
    cancellable: given.cancellable ?? defaults.cancellable,
    maxBuffered: given.maxBuffered ?? defaults.maxBuffered,
  };
}

/** A handler bound to a pattern, with its options. */
export interface Listener {
  readonly pattern: string;
  /** The full topic name. */
  readonly topic: string;
  readonly options: Required<StreambackListenerOptions>;
  /**
   * Handles one message. What it gives is answered: a value, an Observable, an iterable, an async iterable, or a promise of one;
   * what it throws is an error for the requester, as it stands.
   */
  handle(run: Run): unknown;
}
