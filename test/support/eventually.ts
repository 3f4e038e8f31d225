import { setTimeout as pause } from 'node:timers/promises';

/**
 * Resolves with the first truthy value of `probe`; rejects after `timeoutMs`, naming `what` and the probe's last error.
 * For states of other processes that announce nothing; whatever emits an event should be awaited by it.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeoutMs = 10_000, intervalMs = 20 }: { timeoutMs?: number; intervalMs?: number } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await probe();
      if (value) return value;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > end) throw new Error(`not so within ${timeoutMs} ms: ${what}`, { cause: failure });
    await pause(intervalMs);
  }
}
