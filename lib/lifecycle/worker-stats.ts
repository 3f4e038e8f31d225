import type { WorkerInfo } from '../common/process-role';

/** Figures of one listener over an interval. Times are means over the messages that ended in it, in ms. */
export interface ListenerStatsFigures {
  readonly connection: string;
  readonly pattern: string;
  /** Messages that ended in the interval, failed ones among them. */
  readonly handled: number;
  readonly failed: number;
  /** Messages that have begun and not ended. */
  readonly inFlight: number;
  /** Messages that the group, in whatever process, has not handled; null where it cannot be told. */
  readonly lag: number | null;
  /** From the handler's call to the first answer; null where nothing was answered. */
  readonly firstAnswerMs: number | null;
  /** The same to the last answer. */
  readonly lastAnswerMs: number | null;
}

/** Figures of one process that listens, over an interval. */
export interface WorkerStats {
  /** Nothing where the process is no worker of `runWorkers`. */
  readonly worker: WorkerInfo | null;
  /** How long it really was, in ms. */
  readonly intervalMs: number;
  /** Memory at its end (RSS), in bytes. */
  readonly rssBytes: number;
  /** Processor time by time: 1 is one processor, busy all the while. */
  readonly cpuRatio: number;
  /** The longest that the event loop was late, in ms. */
  readonly eventLoopDelayMs: number;
  readonly listeners: readonly ListenerStatsFigures[];
}
