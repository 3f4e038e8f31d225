/** So much of the whole may be taken beyond one's share: the rest is for who has less than its share. */
const OPEN_SHARE = 0.75;

/** Divides what may be in flight between topics, so that the backlog of one does not keep the others from being handed over (M7). */
export class FairShare {
  private readonly taken = new Map<string, number>();
  private readonly share: number;
  private total = 0;

  /** @param limit in flight, over all topics */
  constructor(
    private readonly limit: number,
    topics: number,
  ) {
    this.share = Math.max(1, Math.floor(limit / Math.max(topics, 1)));
  }

  /** In flight, over all topics. */
  get inFlight(): number {
    return this.total;
  }

  /** Whether one more of a topic may be in flight. */
  hasRoom(topic: string): boolean {
    if (this.total >= this.limit) return false;
    return (this.taken.get(topic) ?? 0) < this.share || this.total < this.limit * OPEN_SHARE;
  }

  take(topic: string): void {
    this.taken.set(topic, (this.taken.get(topic) ?? 0) + 1);
    this.total += 1;
  }

  /** @param count how many are not in flight any more */
  give(topic: string, count = 1): void {
    this.taken.set(topic, (this.taken.get(topic) ?? 0) - count);
    this.total -= count;
  }
}
