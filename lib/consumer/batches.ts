import type { MainStreamDelivery } from '../streams/main-stream';
import type { Clock } from '../common/clock';
import type { TurnLimit } from '../common/turn-limit';
import { BatchOrder, type BatchSlot, type Keyed } from './batch-order';
import type { BatchEntry, BatchRunner } from './batch-runner';
import type { Asker } from './client-check';
import type { DuplicateGuard } from './duplicate-guard';
import { HookedMessage } from './hooked-message';
import type { Listener } from './listener';
import { AFTERWARDS, type Task } from './task';

export interface BatchesOptions {
  readonly listener: Listener;
  readonly duplicates: DuplicateGuard;
  readonly runner: BatchRunner;
  readonly clock: Clock;
  readonly turn: Pick<TurnLimit, 'isOver'>;
  /** Whether anybody still waits for it; nothing where that is to be found out, and `asker` told. */
  readonly isWanted: (task: Task, asker: Asker) => boolean | undefined;
  /** So many messages have ended, whatever became of them. */
  readonly onEnded: (count: number) => void;
}

/** The messages of a batch listener: gathered, run together, and settled each on its own. */
export class Batches {
  private readonly order: BatchOrder<Task>;

  constructor(private readonly options: BatchesOptions) {
    const { listener, clock, turn } = options;
    this.order = new BatchOrder<Task>({
      size: listener.batch!.size,
      maxWaitMs: listener.batch!.maxWaitMs,
      concurrency: listener.options.concurrency,
      clock,
      turn,
      start: (batch, slot) => void this.handle(batch, slot),
      giveBack: ({ delivery }) => this.giveBack(delivery),
    });
  }

  add(key: string | null, task: Task): void {
    this.order.add(key, task);
  }

  /** Takes out what has not begun. */
  withdraw(where: (task: Task) => boolean): Task[] {
    return this.order.withdraw(where);
  }

  /** No more messages come for now: those that are gathered wait for no others. */
  flush(): void {
    this.order.flush();
  }

  /** Handles what is gathered, as far as there are places for it; the rest is given back. */
  close(): void {
    this.order.close();
  }

  private giveBack(delivery: MainStreamDelivery): void {
    delivery.release();
    this.options.onEnded(1);
  }

  /** Never rejects. */
  private async handle(batch: readonly Keyed<Task>[], slot: BatchSlot): Promise<void> {
    const { listener, runner, onEnded } = this.options;
    const entries = await this.admit(batch);
    const lingering = await runner.run(listener, entries, slot);
    if (listener.hooks) await Promise.all(entries.map((entry) => runner.tellEnd(entry)));
    const again = new Set<string>();
    for (const entry of entries) {
      this.settle(entry);
      if (entry.outcome === 'again' && entry.key !== null) again.add(entry.key);
    }
    await Promise.all(lingering);
    slot.done(again);
    onEnded(entries.length);
  }

  private settle({ task: { delivery, id }, outcome = 'again' }: BatchEntry): void {
    if (id !== undefined) this.options.duplicates[AFTERWARDS[outcome]](id);
    if (outcome === 'again') delivery.release();
    else delivery.settle();
  }

  /** Those that are to be run; what becomes of the others is seen to. */
  private async admit(batch: readonly Keyed<Task>[]): Promise<BatchEntry[]> {
    const { duplicates, clock, listener } = this.options;
    const firstAt = clock.now();
    const entries: BatchEntry[] = [];
    for (const { key, task } of batch) {
      const { id, delivery } = task;
      const claimed = id === undefined || duplicates.claim(id);
      if (claimed === true) {
        const attempt = id === undefined ? 1 : duplicates.attemptOf(id);
        const hooked = listener.hooks && new HookedMessage(listener.hooks);
        entries.push({ key, task, attempt, failures: 0, firstAt, hooked, ...(delivery.revoked.aborted && { outcome: 'again' }) });
      } else if (claimed === false) {
        delivery.settle();
        this.options.onEnded(1);
      }
      // How the other one ends decides, which may be in this very batch.
      else void claimed.then(() => this.order.add(key, task));
    }
    await Promise.all(entries.map((entry) => this.lookAt(entry)));
    return entries;
  }

  /** A request that nobody waits for any more is not run. */
  private async lookAt(entry: BatchEntry): Promise<void> {
    const wanted = await new Promise<boolean>((resolve) => {
      const is = this.options.isWanted(entry.task, { onWanted: resolve });
      if (is !== undefined) resolve(is);
    });
    if (!wanted) entry.outcome ??= 'done';
  }
}
