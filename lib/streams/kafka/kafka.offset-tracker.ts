/** What the tracker needs to know of an entry. */
export interface Tracked {
  readonly offset: number;
  /** Its place, which the tracker gives it. */
  sequence: number;
}

/** A point up to which all is settled: what may be committed, and the entry it stands before. */
export interface CommitPoint {
  readonly offset: number;
  readonly sequence: number;
  /** Whose point it is. */
  readonly of: object;
}

const FIRST_CAPACITY = 64;
/** Stands for an entry that is settled behind one that is not: what it holds is not kept until that one has ended. */
const SETTLED = Symbol('settled');

/**
 * What of one partition was handed over, in order, and which of it is settled: a ring, so that adding, settling and the contiguous
 * settled prefix (M5) cost the same however many are open. Offsets are numbers: 2^53 messages of a partition are enough.
 */
export class OffsetTracker<Entry extends Tracked> {
  private ring = new Array<Entry | typeof SETTLED | undefined>(FIRST_CAPACITY);
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
    const offset = this.head === this.tail ? this.next : (this.at(this.head) as Entry).offset;
    return { offset, sequence: this.head, of: this };
  }

  add(entry: Entry): void {
    if (this.tail - this.head === this.ring.length) this.grow();
    entry.sequence = this.tail++;
    this.ring[this.slot(entry.sequence)] = entry;
    this.open++;
    this.next = entry.offset + 1;
  }

  settle(entry: Entry): void {
    if (this.at(entry.sequence) !== entry) return;
    this.ring[this.slot(entry.sequence)] = SETTLED;
    this.open--;
    while (this.head < this.tail && this.at(this.head) === SETTLED) this.ring[this.slot(this.head++)] = undefined;
  }

  /** Puts another entry in the place of an unsettled one: the same message, delivered again. */
  replace(entry: Entry, again: Entry): void {
    if (this.at(entry.sequence) !== entry) return;
    again.sequence = entry.sequence;
    this.ring[this.slot(entry.sequence)] = again;
  }

  committed(point: CommitPoint): void {
    this.committedSequence = Math.max(this.committedSequence, point.sequence);
  }

  /** The unsettled entries, in order. */
  *entries(): IterableIterator<Entry> {
    for (let sequence = this.head; sequence < this.tail; sequence++) {
      const entry = this.at(sequence);
      if (entry !== SETTLED) yield entry!;
    }
  }

  private at(sequence: number): Entry | typeof SETTLED | undefined {
    return this.ring[this.slot(sequence)];
  }

  private slot(sequence: number): number {
    return sequence & (this.ring.length - 1);
  }

  private grow(): void {
    const grown = new Array<Entry | typeof SETTLED | undefined>(this.ring.length * 2);
    for (let sequence = this.head; sequence < this.tail; sequence++) grown[sequence & (grown.length - 1)] = this.at(sequence);
    this.ring = grown;
  }
}
