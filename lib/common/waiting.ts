/** Waits for a promise to settle, at most so long. Never rejects. */
export async function within(promise: Promise<unknown> | undefined, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
  await Promise.race([promise?.catch(() => undefined), late]);
  clearTimeout(timer);
}

/** The answer of a promise, or a rejection with `late()` where it takes longer than so long. */
export async function limited<Answer>(promise: Promise<Answer>, timeoutMs: number, late: () => Error): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(late()), timeoutMs)));
  return Promise.race([promise, end]).finally(() => clearTimeout(timer));
}

/** Delays, one at a time, that can be cut short. */
export class Delay {
  private wakeUp: (() => void) | undefined;
  private ended = false;

  /** Resolves after so long, or at {@link wake}; at once after {@link end}. */
  async wait(delayMs: number): Promise<void> {
    if (this.ended) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
  }

  /** Ends the delay under way. */
  wake(): void {
    this.wakeUp?.();
  }

  /** Ends this delay and all to come. */
  end(): void {
    this.ended = true;
    this.wake();
  }
}
