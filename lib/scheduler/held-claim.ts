import type { Clock } from '../common/clock';
import type { ScheduleSlot, ScheduleStore } from '../streams/schedule-store';

/** A claim ends by itself after so long, in ms, unless it is prolonged: so soon another process takes over from one that died. */
export const CLAIM_MS = 5_000;

/** A claim on a slot, prolonged until `end`. */
export class HeldClaim {
  private until: number;
  private timer: unknown;
  private lost = false;
  private ended = false;

  constructor(
    private readonly store: ScheduleStore,
    private readonly slot: ScheduleSlot,
    private readonly clock: Clock,
    /** When the claim was asked for, by the clock: it counts from then, the answer may have been long on its way. */
    askedAt: number,
  ) {
    this.until = askedAt + CLAIM_MS;
    this.prolongSoon();
  }

  /** Whether the slot is still the caller's to send. Asks the store where the process may have been frozen meanwhile. */
  async isHeld(): Promise<boolean> {
    if (!this.lost && this.clock.now() >= this.until) await this.prolong();
    return !this.lost;
  }

  /** Prolongs it no more. */
  end(): void {
    this.ended = true;
    this.clock.clearTimeout(this.timer);
  }

  private prolongSoon(): void {
    this.clock.clearTimeout(this.timer);
    if (this.ended || this.lost) return;
    this.timer = this.clock.setTimeout(
      () =>
        void this.prolong()
          .catch(() => undefined)
          .then(() => this.prolongSoon()),
      CLAIM_MS / 3,
    );
  }

  private async prolong(): Promise<void> {
    const askedAt = this.clock.now();
    const { outcome } = await this.store.claim(this.slot, CLAIM_MS);
    this.lost = outcome !== 'claimed';
    this.until = askedAt + CLAIM_MS;
  }
}
