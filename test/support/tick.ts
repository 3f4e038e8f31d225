/** Resolves when all microtasks, and the immediates that were set before, are done. */
export const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Several of them, for what takes some turns within this process. */
export async function ticks(count = 10): Promise<void> {
  for (let left = count; left > 0; left--) await tick();
}
