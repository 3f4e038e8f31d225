/** What the tracker needs to know of an entry. */
export interface Tracked {
  readonly offset: number;
  settled: boolean;
}

/** A point up to which all is settled: what may be committed, and the entry it stands before. */
export interface CommitPoint {
  readonly offset: number;
  readonly sequence: number;
}

const FIRST_CAPACITY = 64;

/**
 * What of one partition was handed over, in order, and which of it is settled: a ring, so that adding, settling and the contiguous
 * settled prefix (M5) cost the same however many are open. Offsets are numbers: 2^53 messages of a partition are enough.
 */
export class OffsetTracker<Entry extends Tracked> {
  private ring: (Entry | undefined)[] = new Array<Entry | undefined>(FIRST_CAPACITY);
  /** The first unsettled entry, the next to be added, and the first beyond the last commit; they only count up. */
  private head = 0;
  private tail = 0;
  private committedSequence = 0;
  private open = 0;

  /** @param next the offset after all that was added: what is committed when everything is settled */
  constructor(public next: number) {}

  /** Entries that are not settled. */
  get unsettled(): number {
    return this.open;
  }

  /** Entries handed over beyond the last commit, settled or not. */
  get ahead(): number {
    return this.tail - this.committedSequence;
  }

  /** The point that may be committed; the same as at the last commit where nothing new is. */
  get commitPoint(): CommitPoint {
    const offset = this.head === this.tail ? this.next : this.at(this.head)!.offset;
    return { offset, sequence: this.head };
  }

  add(entry: Entry): void {
    if (this.tail - this.head === this.ring.length) this.grow();
    this.ring[this.tail & (this.ring.length - 1)] = entry;
    this.tail++;
    this.open++;
    this.next = entry.offset + 1;
  }

  settle(entry: Entry): void {
    if (entry.settled) return;
    entry.settled = true;
    this.open--;
    while (this.head < this.tail && this.at(this.head)!.settled) {
      this.ring[this.head & (this.ring.length - 1)] = undefined;
      this.head++;
    }
  }

  /** Puts another entry in the place of an unsettled one: the same message, delivered again. */
  replace(entry: Entry, again: Entry): void {
    let low = this.head;
    let high = this.tail - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle)!.offset < entry.offset) low = middle + 1;
      else high = middle;
    }
    if (low < this.tail && this.at(low) === entry) this.ring[low & (this.ring.length - 1)] = again;
  }

  committed(point: CommitPoint): void {
    this.committedSequence = Math.max(this.committedSequence, point.sequence);
  }

  /** The unsettled entries, in order. */
  *entries(): IterableIterator<Entry> {
    for (let sequence = this.head; sequence < this.tail; sequence++) {
      const entry = this.at(sequence)!;
      if (!entry.settled) yield entry;
    }
  }

  private at(sequence: number): Entry | undefined {
    return this.ring[sequence & (this.ring.length - 1)];
  }

  private grow(): void {
    const grown = new Array<Entry | undefined>(this.ring.length * 2);
    for (let sequence = this.head; sequence < this.tail; sequence++) grown[sequence & (grown.length - 1)] = this.at(sequence);
    this.ring = grown;
  }
}
