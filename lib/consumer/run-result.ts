/** `again`: it was aborted, and the message is to be delivered again. */
export type RunOutcome = 'done' | 'failed' | 'again';

export interface RunResult {
  readonly outcome: RunOutcome;
  /** Set where the handler was stopped and may still be at work: resolves when it has really ended. Never rejects. */
  readonly lingering?: Promise<unknown>;
}
