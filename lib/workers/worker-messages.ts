/** Where a worker finds what it was assigned; the only variable that this package reads. */
export const WORKER_VARIABLE = 'STREAMBACK_WORKER';

/** A worker tells that it lives so often, in ms. */
export const BEAT_MS = 1_000;

/** What a worker tells its parent; an app may use the channel as well. */
export interface WorkerMessage {
  readonly streamback: 'worker';
  /** Its app is up, and listens. */
  readonly isReady: boolean;
  readonly rssBytes: number;
}

export const isWorkerMessage = (message: unknown): message is WorkerMessage =>
  typeof message === 'object' && message !== null && (message as Partial<WorkerMessage>).streamback === 'worker';
