/** Follows the answers to one request by their numbers: what is lost, came twice or out of order is told apart by identity. */
export class Sequence {
  /** Answers that came again, or that nobody asked for. */
  twice = 0;
  /** Answers that came before one that should have come first. */
  disordered = 0;
  private next: number;
  private readonly end: number;
  private skipped: Set<number> | undefined;

  /** Expects `count` numbers from `first` on. */
  constructor(first: number, count: number) {
    this.next = first;
    this.end = first + count;
  }

  take(id: number): void {
    if (id === this.next && id < this.end) this.next += 1;
    else this.takeOther(id);
  }

  /** Answers that have not come so far. */
  get missing(): number {
    return this.end - this.next + (this.skipped?.size ?? 0);
  }

  private takeOther(id: number): void {
    if (id < this.next || id >= this.end) {
      if (!this.skipped?.delete(id)) this.twice += 1;
      return;
    }
    this.disordered += 1;
    this.skipped ??= new Set();
    for (let skipped = this.next; skipped < id; skipped++) this.skipped.add(skipped);
    this.next = id + 1;
  }
}
