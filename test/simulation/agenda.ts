/** Something that is to happen at a time. */
export interface Entry {
  /** When it happens, and when it was first to happen: what a frozen process missed keeps its order. */
  at: number;
  readonly due: number;
  readonly order: number;
}

/** Entries by their time; those of one time in the order they were added. A binary heap. */
export class Agenda<Item extends Entry> {
  private readonly heap: Item[] = [];

  get size(): number {
    return this.heap.length;
  }

  *[Symbol.iterator](): IterableIterator<Item> {
    yield* this.heap;
  }

  add(item: Item): void {
    const { heap } = this;
    let index = heap.push(item) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(item, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = item;
  }

  take(): Item | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function before(one: Entry, other: Entry): boolean {
  return (one.at - other.at || one.due - other.due || one.order - other.order) < 0;
}
