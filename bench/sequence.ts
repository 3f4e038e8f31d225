/** Follows the answers to one request after another by their numbers: what is lost, came twice or out of order is told apart by identity. */
export class Sequence {
  /** Answers that came again, or that nobody asked for. */
  twice = 0;
  /** Answers that came before one that should have come first. */
  disordered = 0;
  private next = 0;
  private end = 0;
  private skipped: Set<number> | undefined;

  /** Begins with a request that is answered with `count` numbers from `first` on. */
  begin(first: number, count: number): void {
    this.twice = 0;
    this.disordered = 0;
    this.next = first;
    this.end = first + count;
    this.skipped = undefined;
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
