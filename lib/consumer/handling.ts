import type { MainStreamDelivery } from '../streams/main-stream';
import type { Asker } from './client-check';
import type { DuplicateGuard } from './duplicate-guard';
import type { Slot } from './key-order';
import { AGAIN, DONE, type RunEnd, type RunOutcome, type RunResult } from './run-result';
import type { Runner } from './runner';
import { AFTERWARDS, type Task } from './task';

/** What the handling of a message needs of its consumer. */
export interface HandlingOwner {
  readonly runner: Pick<Runner, 'run'>;
  /** Whether a message is to be given back rather than handled. */
  isLeaving(delivery: MainStreamDelivery): boolean;
  /** Whether anybody still waits for it; nothing where that is to be found out, and `asker` told. */
  isWanted(task: Task, asker: Asker): boolean | undefined;
  /** What becomes of a message that was handled and whose end cannot be written. */
  fateOf(task: Task, error: unknown): RunOutcome;
  /** Gives back what has not begun. */
  giveBack(task: Task): void;
  /** A message could not be settled, or released. */
  onUnsettled(task: Task, error: unknown): void;
  /** A message is done with. */
  onOver(): void;
}

/**
 * The handling of one message, from its turn to its end. One object that is called back, and no promise where nothing is waited for:
 * every message has one, and a handful of promises would cost it more than all else here.
 */
export class Handling implements RunEnd, Asker {
  private isOver = false;

  constructor(
    private readonly owner: HandlingOwner,
    private readonly task: Task,
    private readonly duplicates: DuplicateGuard,
    private readonly slot: Slot<Task>,
  ) {}

  begin(): void {
    try {
      this.claim();
    } catch (error) {
      this.failed(error);
    }
  }

  private claim(): void {
    const { owner, task, duplicates, slot } = this;
    const { delivery, id } = task;
    if (owner.isLeaving(delivery)) return this.settle('release');
    const claimed = id === undefined || duplicates.claim(id);
    // Without its slot: what it waits for may itself wait for one, between two tries.
    if (typeof claimed !== 'boolean') return void slot.rest(claimed).then(() => this.begin());
    if (!claimed) return this.settle('settle');
    const wanted = owner.isWanted(task, this);
    if (wanted !== undefined) this.run(wanted);
  }

  onWanted(wanted: boolean): void {
    try {
      this.run(wanted);
    } catch (error) {
      this.failed(error);
    }
  }

  private run(wanted: boolean): void {
    const { owner, task, duplicates, slot } = this;
    if (!wanted) return this.ended(DONE);
    if (owner.isLeaving(task.delivery)) return this.ended(AGAIN);
    owner.runner.run(task, task.id === undefined ? 1 : duplicates.attemptOf(task.id), slot, this);
  }

  ended({ outcome, lingering }: RunResult): void {
    const { task, duplicates } = this;
    if (task.id !== undefined) duplicates[AFTERWARDS[outcome]](task.id);
    this.settle(outcome === 'again' ? 'giveBack' : 'settle', lingering);
  }

  failed(error: unknown): void {
    this.ended({ outcome: this.owner.fateOf(this.task, error) });
  }

  /**
   * @param how `giveBack`: with what waits behind it, which must not run before it has
   * @param lingering what still takes the slot, and the key
   */
  private settle(how: 'settle' | 'release' | 'giveBack', lingering?: Promise<unknown>): void {
    if (this.isOver) return;
    this.isOver = true;
    const { owner, task, slot } = this;
    try {
      if (how === 'settle') task.delivery.settle();
      else task.delivery.release();
      if (how === 'giveBack') for (const behind of slot.takeBehind()) owner.giveBack(behind);
    } catch (error) {
      // A stream of one's own has thrown where it must not.
      owner.onUnsettled(task, error);
    }
    if (lingering) void lingering.then(() => this.over());
    else this.over();
  }

  private over(): void {
    this.owner.onOver();
    this.slot.done();
  }
}
