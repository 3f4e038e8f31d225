/** How one request or event is sent. */
export interface StreambackRequestOptions {
  /** Messages of one key go to one partition and are handled in order. @default none */
  readonly key?: string;
  /** The broker's own headers. @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest wait for the next answer, in ms, as Python has it. @default 60_000 */
  readonly idleTimeoutMs?: number;
  /** Longest wait for the whole, in ms; what is left of an outer deadline if that is less (F7). @default none */
  readonly timeoutMs?: number;
}

export const DEFAULT_IDLE_TIMEOUT_MS = 60_000;
