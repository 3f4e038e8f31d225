/** How many finished ids are remembered: what a batch that was sent twice can hold several times over. */
const REMEMBERED = 10_000;

/** Knows what this process is handling, has just handled or has given back of one topic, so that a batch sent twice runs once (F4). */
export class DuplicateGuard {
  /** With those that wait for its end, each. */
  private readonly running = new Map<string, (() => void)[]>();
  private readonly recent = new Set<string>();
  /** The same, the oldest at `oldest`: a Set finds its own first one by walking over all that were deleted before it. */
  private readonly ring: string[] = [];
  private oldest = 0;
  /** How often each was given back. */
  private readonly givenBack = new Map<string, number>();

  /**
   * Claims an id. False: it has just run. A promise: it is running, so how that ends decides (the very same message may have come
   * again, and is not to be settled before its answer is stored); to be asked again when it resolves.
   */
  claim(id: string): boolean | Promise<void> {
    const waiting = this.running.get(id);
    if (waiting) return new Promise((resolve) => waiting.push(resolve));
    if (this.recent.has(id)) return false;
    this.running.set(id, []);
    return true;
  }

  /** The message was settled. */
  finished(id: string): void {
    this.recent.add(id);
    if (this.ring.length < REMEMBERED) this.ring.push(id);
    else {
      this.recent.delete(this.ring[this.oldest]!);
      this.ring[this.oldest] = id;
      this.oldest = (this.oldest + 1) % REMEMBERED;
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

  private wake(id: string): void {
    const waiting = this.running.get(id) ?? [];
    this.running.delete(id);
    for (const wake of waiting) wake();
  }
}
