/** First in, first out, both ends in constant time, however long it grows. */
export class Queue<Item> {
  private items: Item[] = [];
  private head = 0;

  get size(): number {
    return this.items.length - this.head;
  }

  push(item: Item): void {
    this.items.push(item);
  }

  /** The first item, which stays. */
  peek(): Item | undefined {
    return this.items[this.head];
  }

  shift(): Item | undefined {
    if (this.head === this.items.length) return undefined;
    const item = this.items[this.head]!;
    this.items[this.head++] = undefined as Item;
    if (this.head === this.items.length) this.clear();
    else if (this.head > 1_024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }

  /** From the first on. It must not change meanwhile. */
  *[Symbol.iterator](): IterableIterator<Item> {
    for (let i = this.head; i < this.items.length; i++) yield this.items[i]!;
  }

  /** Takes out what `where` is true of, and returns it in its order. */
  remove(where: (item: Item) => boolean): Item[] {
    const removed: Item[] = [];
    const kept: Item[] = [];
    for (let i = this.head; i < this.items.length; i++) (where(this.items[i]!) ? removed : kept).push(this.items[i]!);
    this.items = kept;
    this.head = 0;
    return removed;
  }

  clear(): void {
    this.items = [];
    this.head = 0;
  }
}
