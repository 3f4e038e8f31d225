import type { AnswerType } from './answer-type';

/** How one request or event is sent. */
export interface StreambackRequestOptions<Answer = unknown> {
  /** Messages of one key go to one partition and are handled in order. @default none */
  readonly key?: string | undefined;
  /** The broker's own headers. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Longest wait for the next answer, in ms, as Python has it. @default 60_000 */
  readonly idleTimeoutMs?: number | undefined;
  /** Longest wait for the whole, in ms; what is left of an outer deadline if that is less (F7). @default none */
  readonly timeoutMs?: number | undefined;
  /** Answers that a pulling handler may be ahead of its reader at first; the window grows while the reader keeps up (F5). @default 256 */
  readonly credit?: number | undefined;
  /**
   * Told when the handler begins anew after answers were given; the request goes on with the answers of the new attempt, from their
   * first. `attempt` is its number, from 2. Without it the request errs RESTARTED, or CONSUMER_LOST. @default none
   */
  readonly onRestart?: ((attempt: number) => void) | undefined;
  /** The class that answers are made instances of, by `class-transformer`; it types the result of `send` and `open`. @default none */
  readonly responseType?: AnswerType<Answer> | undefined;
}

export const DEFAULT_CREDIT = 256;
export const DEFAULT_IDLE_TIMEOUT_MS = 60_000;
