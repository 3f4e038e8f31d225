/** `again`: it was aborted, and the message is to be delivered again. */
export type RunOutcome = 'done' | 'failed' | 'again';

export interface RunResult {
  readonly outcome: RunOutcome;
  /** Set where the handler was stopped and may still be at work: resolves when it has really ended. Never rejects. */
  readonly lingering?: Promise<unknown>;
}

export const DONE: RunResult = { outcome: 'done' };
export const AGAIN: RunResult = { outcome: 'again' };

/** Who is told what came of a message. One of both is called, once; neither throws. */
export interface RunEnd {
  ended(result: RunResult): void;
  /** Its end cannot be written. */
  failed(error: unknown): void;
}
