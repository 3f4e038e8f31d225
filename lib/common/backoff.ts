export interface BackoffOptions {
  /** The first delay, in ms. */
  readonly delayMs: number;
  /** Each further delay is so many times the one before; 1 is constant. */
  readonly factor: number;
  /** No delay is longer, in ms, jitter apart. */
  readonly maxDelayMs: number;
  /** Share of the delay by which it is moved up or down at random, from 0 to 1. */
  readonly jitter: number;
}

/**
 * The delay before try number `attempt`, in ms.
 * @param attempt from 1: the first delay
 * @param random from 0 to 1, exclusive
 */
export function backoffDelayMs(attempt: number, options: BackoffOptions, random: () => number = Math.random): number {
  const delay = Math.min(options.delayMs * Math.min(options.factor ** (attempt - 1), Number.MAX_VALUE), options.maxDelayMs);
  return Math.round(delay * (1 + options.jitter * (2 * random() - 1)));
}
