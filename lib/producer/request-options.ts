import type { AnswerType } from './answer-type';

/** How answers travel: to the process's inbox, or in a list of the request's own, which is Python streamback's form. */
export type FeedbackForm = 'inbox' | 'list';

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
  /**
   * How answers travel. `'list'`: in a feedback list of the request's own, as Python streamback's, which another process can read on
   * (`resume`). @default 'inbox', and that a service answers on lists only is found out
   */
  readonly feedback?: FeedbackForm | undefined;
  /** Answers of this group alone; those of others are dropped. @default the first group to answer */
  readonly fromGroup?: string | undefined;
  /** The class that answers are made instances of, by `class-transformer`; it types the result of `send` and `open`. @default none */
  readonly responseType?: AnswerType<Answer> | undefined;
}

/** What may be said of requests for a whole connection, and for a pattern. */
export type StreambackRequestDefaults = Pick<StreambackRequestOptions, 'idleTimeoutMs' | 'timeoutMs' | 'credit' | 'feedback' | 'fromGroup'>;

export const DEFAULT_CREDIT = 256;
export const DEFAULT_IDLE_TIMEOUT_MS = 60_000;
