import { backoffDelayMs } from '../common/backoff';

/** Which failures are tried again: of these classes, or as a function says. */
export type StreambackRetryOn = readonly (abstract new (...args: never[]) => unknown)[] | ((error: unknown) => boolean);

/** How a handler that failed is tried again. */
export interface StreambackRetryOptions {
  /** Tries after the first. @default 0 */
  readonly times?: number | undefined;
  /** Before the first further try, in ms. @default 1_000 */
  readonly delayMs?: number | undefined;
  /** Each delay is so many times the one before; 1 is constant. @default 2 */
  readonly backoff?: number | undefined;
  /** No delay is longer, in ms. @default 60_000 */
  readonly maxDelayMs?: number | undefined;
  /** Share of a delay by which it is moved at random. @default 0.2 */
  readonly jitter?: number | undefined;
  /**
   * Which errors are tried again.
   * @default all; in a request not what is an answer: RpcException, and HttpException below 500
   */
  readonly on?: StreambackRetryOn | undefined;
}

/**
 * The delay before the next try, in ms; nothing when there is to be none.
 * @param failed how many tries have failed, from 1
 * @param error as the handler threw it
 */
export function retryDelayMs(options: StreambackRetryOptions, failed: number, error: unknown, random?: () => number): number | undefined {
  const { times = 0, delayMs = 1_000, backoff: factor = 2, maxDelayMs = 60_000, jitter = 0.2, on } = options;
  if (failed > times || !matches(error, on)) return undefined;
  return backoffDelayMs(failed, { delayMs, factor, maxDelayMs, jitter }, random);
}

function matches(error: unknown, on: StreambackRetryOn | undefined): boolean {
  if (on === undefined) return true;
  return typeof on === 'function' ? on(error) : on.some((type) => error instanceof type);
}
