import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../common/clock';
import { StreambackConfigError, StreambackPublishError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { within } from '../common/waiting';
import type { ScheduleSlot, ScheduleStore } from '../streams/schedule-store';
import { CLAIM_MS, HeldClaim } from './held-claim';
import { dueSlot, type ScheduleEntry } from './schedule-entry';

/** After something that could not be sent, or said to the store, in ms. */
const RETRY_MS = 1_000;
/** How often one looks after a slot that another process sends, in ms. */
const LOOK_MS = 1_000;
/** Where nothing could be sent, the next look comes no sooner, in ms: whatever a store answers, it is not asked without a pause. */
const PAUSE_MS = 10;
/** How long `end` waits for the store where nothing is being sent, in ms. */
const END_MS = 1_000;
/** A timer holds no more, in ms; whoever waits longer looks again in between. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Sends what is due. */
export interface SchedulePublisher {
  /** @throws StreambackConfigError INVALID_PATTERN */
  check(pattern: string | object): void;
  /** Resolves when the broker has it. @param id the message's own: sent again, it is the same message */
  publish(id: string, pattern: string | object, data: unknown, options: ScheduleRecordOptions): Promise<void>;
}

export interface ScheduleRecordOptions {
  readonly key?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface ScheduleRunnerOptions {
  readonly group: string;
  readonly store: ScheduleStore;
  readonly publisher: SchedulePublisher;
  readonly clock: Clock;
  readonly logger: StreambackLogger;
  /** Epoch ms by the store's clock, as near as this process knows. */
  readonly storeNow: () => number;
  /** Told the store's clock, whenever it was heard. */
  readonly onStoreTime: (now: number) => void;
}

/** The id of what is sent for a slot: the same whoever sends it, and however often. */
export function slotId(group: string, name: string, slot: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([group, name, slot]))
    .digest('hex');
  return [hash.slice(0, 8), hash.slice(8, 12), hash.slice(12, 16), hash.slice(16, 20), hash.slice(20, 32)].join('-');
}

/**
 * Keeps one schedule: waits for each slot, claims it from the other processes, and sends it. One slot after the other: the next is claimed
 * when this one is done with.
 */
export class ScheduleRunner {
  /** Slots up to here are done with, in epoch ms. */
  private after = 0;
  private paused = true;
  private ended = false;
  private sending = false;
  private woken = false;
  private endWait: () => void = () => undefined;
  /** The same trouble is logged once, not at each try. */
  private lastTrouble = '';
  private readonly loop: Promise<void>;

  constructor(
    readonly entry: ScheduleEntry,
    private readonly options: ScheduleRunnerOptions,
  ) {
    this.loop = this.run();
  }

  private get name(): string {
    return this.entry.options.name;
  }

  /** What the store says of it. @param after slots up to here are done with, in epoch ms */
  update(after: number, paused: boolean): void {
    this.after = Math.max(this.after, after);
    if (this.paused === paused) return;
    this.paused = paused;
    this.wake();
  }

  /** Reckons anew what it waits for. */
  wake(): void {
    this.woken = true;
    this.endWait();
  }

  /** Claims nothing more, and waits for what is being sent, at most so long. */
  async end(timeoutMs: number): Promise<void> {
    this.ended = true;
    this.wake();
    await within(this.loop, this.sending ? timeoutMs : Math.min(END_MS, timeoutMs));
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    while (!this.ended) {
      const waitMs = await this.step().catch((error: unknown) => this.trouble('is held up, trying again', error));
      await this.wait(waitMs);
    }
  }

  /** @returns how long to wait before the next, in ms */
  private async step(): Promise<number> {
    if (this.paused) return Infinity;
    const slot = dueSlot(this.entry, this.after, this.options.storeNow());
    const earlyMs = slot - this.options.storeNow();
    return earlyMs > 0 ? earlyMs : await this.claim(slot);
  }

  private async claim(due: number): Promise<number> {
    const { group, store, clock } = this.options;
    const slot: ScheduleSlot = { group, name: this.name, slot: due, owner: randomUUID() };
    const askedAt = clock.now();
    const { outcome, now, after, waitMs } = await store.claim(slot, CLAIM_MS);
    this.options.onStoreTime(now);
    this.after = Math.max(this.after, after);
    switch (outcome) {
      case 'claimed':
        // By the store's clock, and by what others have sent meanwhile, another slot may come before it.
        if (!this.ended && dueSlot(this.entry, this.after, now) === due) return this.send(slot, askedAt);
        await store.release(slot);
        return PAUSE_MS;
      case 'taken':
        return Math.max(PAUSE_MS, Math.min(waitMs, LOOK_MS));
      case 'paused':
        this.paused = true;
        return PAUSE_MS;
      case 'unknown':
        return RETRY_MS;
      case 'early':
        return Math.max(PAUSE_MS, due - now);
      case 'done':
        this.lastTrouble = '';
        return PAUSE_MS;
    }
  }

  private async send(slot: ScheduleSlot, askedAt: number): Promise<number> {
    const { store, clock } = this.options;
    const claim = new HeldClaim(store, slot, clock, askedAt);
    this.sending = true;
    try {
      const data = await this.produce();
      if (!(await claim.isHeld())) return PAUSE_MS;
      if (data !== undefined) await this.publish(slot, data);
      this.after = Math.max(this.after, slot.slot);
      await this.complete(slot);
      this.lastTrouble = '';
      return 0;
    } catch (error) {
      claim.end();
      await store.release(slot);
      return this.trouble('could not be sent, trying again', error);
    } finally {
      claim.end();
      this.sending = false;
    }
  }

  /** A method that throws has nothing to send: its slot is done with. */
  private async produce(): Promise<unknown> {
    try {
      return await this.entry.produce();
    } catch (error) {
      this.options.logger.error(`The schedule '${this.name}' failed, nothing is sent: ${String(error)}`, stackOf(error));
      return undefined;
    }
  }

  /** What can never be sent is done with as well. */
  private async publish({ group, name, slot }: ScheduleSlot, data: unknown): Promise<void> {
    const { pattern, key, headers } = this.entry.options;
    try {
      await this.options.publisher.publish(slotId(group, name, slot), pattern, data, { key, headers });
    } catch (error) {
      const isHopeless = (error instanceof StreambackPublishError || error instanceof StreambackConfigError) && !error.retryable;
      if (!isHopeless) throw error;
      this.options.logger.error(`The schedule '${name}' cannot be sent: ${String(error)}`);
    }
  }

  /** Until the store has it: what was sent must not be sent by another process. */
  private async complete(slot: ScheduleSlot): Promise<void> {
    for (;;) {
      try {
        return await this.options.store.complete(slot);
      } catch (error) {
        const waitMs = this.trouble('was sent, which the store does not take, trying again', error);
        if (this.ended) return;
        await this.wait(waitMs);
      }
    }
  }

  private trouble(what: string, error: unknown): number {
    const trouble = `The schedule '${this.name}' ${what}: ${String(error)}`;
    if (trouble !== this.lastTrouble && !this.ended) this.options.logger.error(trouble);
    this.lastTrouble = trouble;
    return RETRY_MS;
  }

  private async wait(delayMs: number): Promise<void> {
    const { clock } = this.options;
    if (delayMs > 0 && !this.woken && !this.ended) {
      await new Promise<void>((resolve) => {
        const timer = delayMs === Infinity ? undefined : clock.setTimeout(resolve, Math.min(delayMs, LONGEST_TIMER_MS));
        this.endWait = () => {
          clock.clearTimeout(timer);
          resolve();
        };
      });
    }
    this.woken = false;
  }
}

const stackOf = (error: unknown): string | undefined => (error instanceof Error ? error.stack : undefined);
