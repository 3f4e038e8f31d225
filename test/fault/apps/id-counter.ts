/** Counts ids from 0 upwards by identity, in memory that does not grow with them: all below `floor` were seen, few above. */
export class IdCounter {
  twice = 0;
  private floor = 0;
  private readonly above = new Set<number>();

  /** How many different ones. */
  get seen(): number {
    return this.floor + this.above.size;
  }

  add(id: number): void {
    if (id < this.floor || this.above.has(id)) {
      this.twice += 1;
      return;
    }
    this.above.add(id);
    while (this.above.delete(this.floor)) this.floor += 1;
  }
}
