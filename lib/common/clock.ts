/** Where logic that depends on time takes it from, so that a test can give its own. */
export interface Clock {
  /** Epoch ms. */
  now(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** The process's clock. Its timers do not keep the process alive: what waits also holds a socket, or nothing. */
export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
