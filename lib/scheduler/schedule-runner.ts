import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../common/clock';
import type { StreambackLogger } from '../common/logger';
import type { ScheduleSlot, ScheduleStore } from '../streams/schedule-store';
import { catchUpMsOf, dueSlot, type ScheduleEntry } from './schedule-entry';

/** A claim ends by itself after so long, in ms, unless it is prolonged: so soon another process takes over from one that died. */
const CLAIM_MS = 10_000;
/** A slot is not late before so long, in ms: what a claim that moves on takes. */
const GRACE_MS = 1_000;
/** After something that could not be sent, or written to the store, in ms. */
const RETRY_MS = 1_000;

/** Sends what is due. */
export interface SchedulePublisher {
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
  const hash = createHash('sha256').update(`${group}\n${name}\n${slot}`).digest('hex');
  return [hash.slice(0, 8), hash.slice(8, 12), hash.slice(12, 16), hash.slice(16, 20), hash.slice(20, 32)].join('-');
}

/** Keeps one schedule: waits for each slot, claims it from the other processes, and sends it. */
export class ScheduleRunner {
  private sent = 0;
  private paused = true;
  private ended = false;
  private wake: () => void = () => undefined;
  private readonly loop: Promise<void>;

  constructor(
    readonly entry: ScheduleEntry,
    private readonly options: ScheduleRunnerOptions,
  ) {
    this.loop = this.run();
  }

  /** What the store says of it. @param since the newest slot that was sent, or since when slots count, in epoch ms */
  update(since: number, paused: boolean): void {
    const changed = this.paused !== paused;
    this.sent = Math.max(this.sent, since);
    this.paused = paused;
    if (changed) this.wake();
  }

  /** Claims nothing more, and waits for what is being sent. */
  async end(): Promise<void> {
    this.ended = true;
    this.wake();
    await this.loop;
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    while (!this.ended) {
      if (this.paused) {
        await this.wait(Infinity);
        continue;
      }
      try {
        const slot = dueSlot(this.entry, this.sent, this.options.storeNow(), GRACE_MS);
        const waitMs = slot - this.options.storeNow();
        if (waitMs > 0) await this.wait(waitMs);
        else await this.wait(await this.fire(slot));
      } catch (error) {
        if (this.ended) break;
        this.options.logger.error(`The schedule '${this.entry.options.name}' is held up, trying again: ${String(error)}`);
        await this.wait(RETRY_MS);
      }
    }
  }

  /** @returns how long to wait before the next look, in ms */
  private async fire(slot: number): Promise<number> {
    const { group, store } = this.options;
    const { name } = this.entry.options;
    const claimed: ScheduleSlot = { group, name, slot, owner: randomUUID() };
    const claim = await store.claim(claimed, CLAIM_MS);
    this.options.onStoreTime(claim.now);
    switch (claim.outcome) {
      case 'claimed':
        if (claim.now - slot > catchUpMsOf(this.entry.options, GRACE_MS) + CLAIM_MS) {
          await store.release(claimed);
          return 0;
        }
        return (await this.send(claimed)) ? 0 : RETRY_MS;
      case 'taken':
        return Math.min(claim.waitMs, CLAIM_MS / 2) + 1;
      case 'sent':
        this.sent = Math.max(this.sent, claim.sent ?? slot);
        return 0;
      case 'paused':
        this.paused = true;
        return 0;
      case 'early':
        return 0;
    }
  }

  /** @returns whether the slot is done with */
  private async send(claimed: ScheduleSlot): Promise<boolean> {
    const { publisher, store, logger } = this.options;
    const { name, pattern, key, headers } = this.entry.options;
    const hold = this.holdClaim(claimed);
    try {
      const data = await this.produce();
      if (hold.lost) return false;
      if (data !== undefined) await publisher.publish(slotId(claimed.group, name, claimed.slot), pattern, data, { key, headers });
    } catch (error) {
      logger.error(`The schedule '${name}' could not be sent, trying again: ${String(error)}`);
      await store.release(claimed);
      return false;
    } finally {
      hold.end();
    }
    this.sent = claimed.slot;
    await store.complete(claimed);
    return true;
  }

  /** A method that throws has nothing to send: its slot is done with. */
  private async produce(): Promise<unknown> {
    try {
      return await this.entry.produce();
    } catch (error) {
      this.options.logger.error(`The schedule '${this.entry.options.name}' gave an error, nothing is sent: ${describe(error)}`);
      return undefined;
    }
  }

  /** Prolongs a claim while its slot is being sent. */
  private holdClaim(claimed: ScheduleSlot): { readonly lost: boolean; end(): void } {
    const { clock, store } = this.options;
    const state = { lost: false, end: (): void => clock.clearTimeout(timer) };
    const prolong = (): void => {
      timer = clock.setTimeout(() => {
        store.claim(claimed, CLAIM_MS).then(
          ({ outcome }) => {
            state.lost = outcome !== 'claimed' && outcome !== 'paused';
            if (!state.lost) prolong();
          },
          () => prolong(),
        );
      }, CLAIM_MS / 3);
    };
    let timer: unknown;
    prolong();
    return state;
  }

  private async wait(delayMs: number): Promise<void> {
    if (delayMs <= 0 || this.ended) return;
    const { clock } = this.options;
    await new Promise<void>((resolve) => {
      // A timer holds 2^31 ms; whoever waits longer looks again in between.
      const timer = delayMs === Infinity ? undefined : clock.setTimeout(resolve, Math.min(delayMs, 2 ** 31 - 1));
      this.wake = () => {
        clock.clearTimeout(timer);
        resolve();
      };
    });
    this.wake = () => undefined;
  }
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
