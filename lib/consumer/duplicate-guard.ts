/** So many finished ids are remembered, up to twice as many: what a batch that was sent twice can hold several times over. */
const REMEMBERED = 10_000;

/** Knows what this process is handling, has just handled or has given back of one topic, so that a batch sent twice runs once (F4). */
export class DuplicateGuard {
  /** With those that wait for its end, each. */
  private readonly running = new Map<string, (() => void)[] | null>();
  /** Two generations, of which the elder is dropped as a whole: cheaper than the oldest one each time. */
  private recent = new Set<string>();
  private elder = new Set<string>();
  /** How often each was given back. */
  private readonly givenBack = new Map<string, number>();

  /**
   * Claims an id. False: it has just run. A promise: it is running, so how that ends decides (the very same message may have come
   * again, and is not to be settled before its answer is stored); to be asked again when it resolves.
   */
  claim(id: string): boolean | Promise<void> {
    const waiting = this.running.get(id);
    if (waiting !== undefined) return this.ended(id, waiting ?? []);
    if (this.recent.has(id) || this.elder.has(id)) return false;
    this.running.set(id, null);
    return true;
  }

  /** The message was settled. */
  finished(id: string): void {
    this.recent.add(id);
    if (this.recent.size >= REMEMBERED) {
      this.elder = this.recent;
      this.recent = new Set();
    }
    this.forgotten(id);
  }

  /** The message was settled, and its handler had failed: should it be sent again with its id, it is to run. */
  forgotten(id: string): void {
    this.givenBack.delete(id);
    this.wake(id);
  }

  /** The message was given back: when it comes again it is to run. */
  released(id: string): void {
    if (this.givenBack.size >= REMEMBERED) this.givenBack.clear();
    this.givenBack.set(id, this.attemptOf(id));
    this.wake(id);
  }

  /** Which attempt of this process a run of the message is, from 1. */
  attemptOf(id: string): number {
    return (this.givenBack.get(id) ?? 0) + 1;
  }

  private ended(id: string, waiting: (() => void)[]): Promise<void> {
    this.running.set(id, waiting);
    return new Promise((resolve) => waiting.push(resolve));
  }

  private wake(id: string): void {
    const waiting = this.running.get(id);
    this.running.delete(id);
    if (waiting) for (const wake of waiting) wake();
  }
}
