import type { Clock } from './clock';

/** Something that may wait too long. */
export interface Expiring {
  /** Epoch ms; may move later at any time, but not earlier. */
  readonly expiresAt: number;
  expire(): void;
}

/** Sweeps are at least so far apart, in ms: what a crowd of different deadlines can cost. */
const MIN_SWEEP_MS = 5;

/** Watches over the deadlines of any number of entries with one timer. */
export class Deadlines {
  private timer: unknown;
  private sweepAt = Infinity;

  /** @param entries what is watched; whoever owns it adds and deletes */
  constructor(
    private readonly entries: { values(): Iterable<Expiring> },
    private readonly clock: Clock,
  ) {}

  /** Told of an entry that was added. */
  watch(entry: Expiring): void {
    if (entry.expiresAt < this.sweepAt) this.schedule(entry.expiresAt);
  }

  close(): void {
    this.clock.clearTimeout(this.timer);
    this.sweepAt = Infinity;
  }

  private schedule(at: number): void {
    this.clock.clearTimeout(this.timer);
    this.sweepAt = at;
    const delayMs = Math.min(Math.max(at - this.clock.now(), MIN_SWEEP_MS), 2 ** 31 - 1);
    this.timer = this.clock.setTimeout(this.sweep, delayMs);
  }

  private readonly sweep = (): void => {
    const now = this.clock.now();
    this.sweepAt = Infinity;
    let next = Infinity;
    for (const entry of [...this.entries.values()]) {
      if (entry.expiresAt <= now) entry.expire();
      else if (entry.expiresAt < next) next = entry.expiresAt;
    }
    if (next < this.sweepAt) this.schedule(next);
  };
}
