/** Between two looks, in ms. */
const LOOK_MS = 20;

/**
 * Measures how late the event loop is. Not by `monitorEventLoopDelay`: whose reset passes over the interval that is under way, and so a
 * loop that was blocked when it was read.
 */
export class LoopDelay {
  private lookedAt: number;
  private longestMs = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly now: () => number = () => performance.now()) {
    this.lookedAt = now();
    this.timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** The longest that it was late since the last reading, in ms. */
  read(): number {
    const lateMs = this.lateMs();
    const longestMs = Math.max(this.longestMs, lateMs);
    this.longestMs = 0;
    // What is told now is not told again once the timer comes.
    if (lateMs > 0) this.lookedAt += lateMs;
    return longestMs;
  }

  end(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    this.longestMs = Math.max(this.longestMs, this.lateMs());
    this.lookedAt = this.now();
  }

  private lateMs(): number {
    return Math.max(0, this.now() - this.lookedAt - LOOK_MS);
  }
}
