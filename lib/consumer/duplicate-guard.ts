/** How many finished ids are remembered: what a batch that was sent twice can hold several times over. */
const REMEMBERED = 10_000;

/** Knows the messages that this process is handling or has just handled, so that a batch sent twice runs once (F4). */
export class DuplicateGuard {
  /** With those that wait for its end, each. */
  private readonly running = new Map<string, (() => void)[]>();
  private readonly recent = new Set<string>();
  /** The same, the oldest at `oldest`: a Set finds its own first one by walking over all that were deleted before it. */
  private readonly ring: string[] = [];
  private oldest = 0;

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
    this.released(id);
  }

  /** The message was given back: when it comes again it is to run. */
  released(id: string): void {
    const waiting = this.running.get(id) ?? [];
    this.running.delete(id);
    for (const wake of waiting) wake();
  }
}
