/** Counts what was handed to a stream and is not acknowledged yet, for all who share a limit. */
export class PendingBytes {
  private count = 0;
  private waiters: (() => void)[] = [];

  /** @param limit bytes; a single message that is larger has room while nothing else is pending */
  constructor(private readonly limit: number) {}

  get bytes(): number {
    return this.count;
  }

  /** Nothing more is to be begun. */
  get isFull(): boolean {
    return this.count >= this.limit;
  }

  hasRoomFor(bytes: number): boolean {
    return this.count === 0 || this.count + bytes <= this.limit;
  }

  add(bytes: number): void {
    this.count += bytes;
  }

  remove(bytes: number): void {
    this.count -= bytes;
    if (this.waiters.length > 0 && !this.isFull) for (const wake of this.waiters.splice(0)) wake();
  }

  /** Has `wake` called once, when there is room again. */
  onRoom(wake: () => void): void {
    this.waiters.push(wake);
  }
}
