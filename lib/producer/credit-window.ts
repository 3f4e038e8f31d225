/** The bytes that the grown windows of a connection may stand for, together. */
export interface CreditBudget {
  bytes: number;
}

/** No window is larger, in answers. */
const MAX_WINDOW = 16_384;

/**
 * How far a consumer may be ahead of this lane's reader (F5), in answers. The window starts small and doubles whenever the reader has
 * read all that came, so that a fast reader does not wait for credit; it grows within a budget of bytes that a connection has.
 */
export class CreditWindow {
  private size: number;
  private granted: number;
  private received = 0;
  private consumed = 0;
  private bytes = 0;
  private borrowed = 0;

  /** @param initial what the request itself grants */
  constructor(
    private readonly initial: number,
    private readonly budget: CreditBudget,
  ) {
    this.size = initial;
    this.granted = initial;
  }

  /** Whether the reader waits for frames, and what was granted last may not have arrived: it is worth saying again. */
  get isStarving(): boolean {
    return this.consumed === this.received && this.granted > this.initial;
  }

  /** Frames of another run follow, which begins with the request's own credit. */
  restart(): void {
    this.size = this.initial;
    this.granted = this.initial;
    this.received = 0;
    this.consumed = 0;
  }

  /** Frames before number `seq` were read, and credit for them given, by another process. */
  startAt(seq: number): void {
    this.granted = seq;
    this.received = seq;
    this.consumed = seq;
  }

  /** @param numbers how many its frame has taken */
  onFrame(bytes: number, numbers = 1): void {
    this.received += numbers;
    this.bytes += bytes;
  }

  /** The reader took so many more. Returns what is to be granted now (`upTo`), if anything is. */
  onRead(numbers = 1): number | undefined {
    this.consumed += numbers;
    if (this.granted - this.consumed > this.size / 2) return undefined;
    if (this.consumed === this.received) this.grow();
    this.granted = this.consumed + this.size;
    return this.granted;
  }

  /** What stands granted, to be said again. */
  get upTo(): number {
    return this.granted;
  }

  /** The lane is over: what was borrowed goes back. */
  close(): void {
    this.budget.bytes += this.borrowed;
    this.borrowed = 0;
  }

  private grow(): void {
    const growth = Math.min(this.size, MAX_WINDOW - this.size);
    const cost = growth * Math.ceil(this.bytes / this.received);
    if (growth <= 0 || cost > this.budget.bytes) return;
    this.budget.bytes -= cost;
    this.borrowed += cost;
    this.size += growth;
  }
}
