import type { Clock } from '../common/clock';
import { Queue } from '../common/queue';
import type { TurnLimit } from '../common/turn-limit';

/** A task with what keeps it in order. */
export interface Keyed<Task> {
  /** null: next to anything. */
  readonly key: string | null;
  readonly task: Task;
}

/** The right to run, of one batch; its keys stay taken until `done`. */
export interface BatchSlot {
  /** The batch has ended. Called once. @param again keys of which something comes again: what waits behind them is given back, too */
  done(again: ReadonlySet<string>): void;
  /** Lets another batch run while this one waits for something; resolves when the wait is over and it is this one's turn again. */
  rest(wait: Promise<unknown>): Promise<void>;
}

export interface BatchOrderOptions<Task> {
  /** Tasks of a batch at most. */
  readonly size: number;
  /** A task waits no longer for others to fill its batch, in ms. */
  readonly maxWaitMs: number;
  /** Batches that run side by side. */
  readonly concurrency: number;
  readonly clock: Clock;
  /** Has it give way to the event loop between batches. */
  readonly turn?: Pick<TurnLimit, 'isOver'> | undefined;
  /** Begins a batch; must not throw. */
  readonly start: (batch: readonly Keyed<Task>[], slot: BatchSlot) => void;
  /** Takes what is not to run here any more. */
  readonly giveBack: (task: Task) => void;
}

interface Waiting<Task> extends Keyed<Task> {
  /** Its rank among all that came. */
  readonly rank: number;
  /** When it came, epoch ms. */
  readonly at: number;
}

/**
 * Gathers tasks into batches and runs these side by side up to a limit. Tasks of one key may share a batch, in the order they came, but
 * are never in two batches that run at once (M4).
 */
export class BatchOrder<Task> {
  /** What the next batch is made of, the oldest first. */
  private ready: Waiting<Task>[] = [];
  /** For each key in a batch that runs, what waits behind it. */
  private readonly held = new Map<string, Waiting<Task>[]>();
  /** Batches whose rest is over. */
  private readonly turns = new Queue<() => void>();
  private running = 0;
  private timer: unknown;
  private added = 0;
  /** What came up to this rank waits for no others. */
  private flushed = 0;
  private closed = false;

  constructor(private readonly options: BatchOrderOptions<Task>) {}

  add(key: string | null, task: Task): void {
    if (this.closed) return this.options.giveBack(task);
    const waiting = { key, task, rank: ++this.added, at: this.options.clock.now() };
    const behind = this.behind(key);
    if (behind) return void behind.push(waiting);
    this.ready.push(waiting);
    this.next();
  }

  /** Takes out what has not begun. */
  withdraw(where: (task: Task) => boolean): Task[] {
    const taken: Task[] = [];
    const stays = ({ task }: Waiting<Task>): boolean => {
      const goes = where(task);
      if (goes) taken.push(task);
      return !goes;
    };
    this.ready = this.ready.filter(stays);
    for (const [key, behind] of this.held) this.held.set(key, behind.filter(stays));
    return taken;
  }

  /** What is gathered waits for no others: none will come for now. */
  flush(): void {
    this.flushed = this.added;
    this.next();
  }

  /** Runs what is gathered, as far as there are places for it, and gives back all else, also what comes later. */
  close(): void {
    this.flush();
    this.closed = true;
    this.options.clock.clearTimeout(this.timer);
    const rest = [...this.ready, ...[...this.held.values()].flat()];
    this.ready = [];
    for (const behind of this.held.values()) behind.length = 0;
    for (const { task } of rest) this.options.giveBack(task);
  }

  private behind(key: string | null): Waiting<Task>[] | undefined {
    return key === null ? undefined : this.held.get(key);
  }

  private readonly next = (): void => {
    while (this.running < this.options.concurrency && (this.turns.size > 0 || this.isDue())) {
      if (this.options.turn?.isOver(this.next)) return;
      const turn = this.turns.shift();
      if (turn) {
        this.running += 1;
        turn();
      } else this.begin();
    }
    this.watch();
  };

  private isDue(): boolean {
    const { size, maxWaitMs, clock } = this.options;
    const oldest = this.ready[0];
    if (!oldest || this.ready.length >= size) return oldest !== undefined;
    return oldest.rank <= this.flushed || oldest.at + maxWaitMs <= clock.now();
  }

  /** One timer at a time, not one a batch: it may come early, and is set again then. */
  private watch(): void {
    const [oldest] = this.ready;
    if (!oldest || this.timer !== undefined || this.closed || this.running >= this.options.concurrency) return;
    const { clock, maxWaitMs } = this.options;
    this.timer = clock.setTimeout(
      () => {
        this.timer = undefined;
        this.next();
      },
      Math.max(oldest.at + maxWaitMs - clock.now(), 0),
    );
  }

  private begin(): void {
    const batch = this.ready.splice(0, this.options.size);
    for (const { key } of batch) if (key !== null) this.held.set(key, []);
    this.ready = this.ready.filter((waiting) => {
      const behind = this.behind(waiting.key);
      behind?.push(waiting);
      return !behind;
    });
    this.running += 1;
    this.options.start(batch, { done: (again) => this.done(batch, again), rest: (wait) => this.rest(wait) });
  }

  private async rest(wait: Promise<unknown>): Promise<void> {
    this.running -= 1;
    this.next();
    await wait;
    const turn = new Promise<void>((resolve) => this.turns.push(resolve));
    this.next();
    await turn;
  }

  private done(batch: readonly Waiting<Task>[], again: ReadonlySet<string>): void {
    this.running -= 1;
    const released: Waiting<Task>[] = [];
    for (const { key } of batch) {
      const behind = this.behind(key);
      if (!behind) continue;
      this.held.delete(key!);
      if (again.has(key!)) for (const { task } of behind) this.options.giveBack(task);
      else released.push(...behind);
    }
    // They came before others that are ready now, and have waited for longer.
    if (released.length > 0) this.ready = [...released, ...this.ready].toSorted((one, other) => one.rank - other.rank);
    this.next();
  }
}
