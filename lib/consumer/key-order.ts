import { Queue } from '../common/queue';
import type { TurnLimit } from '../common/turn-limit';

/** The right to run, of one task; its key stays taken until `done`. */
export interface Slot<Task = unknown> {
  /** The task has ended. Called once. */
  done(): void;
  /** Lets another task run from now on: what is left to do is waiting. Its key stays taken. */
  free(): void;
  /** Whether it was freed, and not taken again. */
  readonly isFree: boolean;
  /** Lets another task run while this one waits for something; resolves when the wait is over and it is this one's turn again. */
  rest(wait: Promise<unknown>): Promise<void>;
  /** Takes out what waits behind this one for its key: it must not run before this one has, which comes again. */
  takeBehind(): Task[];
}

/** What takes a slot next. */
interface Ready<Task> {
  /** Its key, of a task that has not begun. */
  readonly key?: string | null;
  /** A task that has not begun; else one whose rest is over. */
  readonly task?: Task;
  run(): void;
}

/** A task on its way: first to its slot, then with it. One object, as every message has one. */
class TaskSlot<Task> implements Ready<Task>, Slot<Task> {
  isFree = false;

  constructor(
    readonly key: string | null,
    readonly task: Task,
    private readonly order: KeyOrder<Task>,
  ) {}

  run(): void {
    this.order.start(this.task, this);
  }

  done(): void {
    this.order.pass(this.key);
    this.free();
  }

  free(): void {
    if (this.isFree) return;
    this.isFree = true;
    this.order.free();
  }

  async rest(wait: Promise<unknown>): Promise<void> {
    this.free();
    await wait;
    await this.order.retake();
    this.isFree = false;
  }

  takeBehind(): Task[] {
    return this.order.takeBehind(this.key);
  }
}

/**
 * Runs tasks side by side up to a limit, but those of one key one after another, in the order they came (M4).
 */
export class KeyOrder<Task> {
  /** Keys with a task ready or running, and what waits behind it. */
  private readonly waiting = new Map<string, Queue<Task> | null>();
  /** What runs next; each takes a slot. */
  private readonly ready = new Queue<Ready<Task>>();
  private running = 0;
  private isStarting = false;

  /**
   * @param start begins a task; must not throw
   * @param turn has it give way to the event loop between tasks
   */
  constructor(
    private readonly concurrency: number,
    readonly start: (task: Task, slot: Slot<Task>) => void,
    private readonly turn?: Pick<TurnLimit, 'isOver'>,
  ) {}

  /** @param key null: next to anything */
  add(key: string | null, task: Task): void {
    if (key !== null) {
      const behind = this.waiting.get(key);
      if (behind === undefined) this.waiting.set(key, null);
      else if (behind) return behind.push(task);
      else {
        const queue = new Queue<Task>();
        queue.push(task);
        this.waiting.set(key, queue);
        return;
      }
    }
    this.begin(key, task);
  }

  /** Takes out what has not begun. */
  withdraw(where: (task: Task) => boolean): Task[] {
    const taken: Task[] = [];
    const take = ({ task }: { readonly task?: Task }): boolean => {
      const goes = task !== undefined && where(task);
      if (goes) taken.push(task);
      return goes;
    };
    const begun = this.ready.remove(take);
    for (const behind of this.waiting.values()) behind?.remove((task) => take({ task }));
    for (const { key } of begun) this.pass(key!);
    this.next();
    return taken;
  }

  private begin(key: string | null, task: Task): void {
    this.ready.push(new TaskSlot(key, task, this));
    this.next();
  }

  /** Of a slot: see {@link Slot}. */
  takeBehind(key: string | null): Task[] {
    const behind = key === null ? undefined : this.waiting.get(key);
    const taken: Task[] = [];
    for (let task = behind?.shift(); task !== undefined; task = behind?.shift()) taken.push(task);
    return taken;
  }

  private readonly next = (): void => {
    // A task that ends at once comes back here: a long row of them must not fill the stack.
    if (this.isStarting) return;
    this.isStarting = true;
    try {
      while (this.running < this.concurrency && this.ready.size > 0) {
        if (this.turn?.isOver(this.next)) return;
        this.running += 1;
        this.ready.shift()!.run();
      }
    } finally {
      this.isStarting = false;
    }
  };

  /** Of a slot: resolves when it has one again. */
  async retake(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.ready.push({ run: resolve }));
    this.next();
    await turn;
  }

  /** Of a slot: another may have it. */
  free(): void {
    this.running -= 1;
    this.next();
  }

  /** Of a slot: whose turn it was is gone, and it is that of what waits behind. */
  pass(key: string | null): void {
    if (key === null) return;
    const task = this.waiting.get(key)?.shift();
    if (task !== undefined) this.begin(key, task);
    else this.waiting.delete(key);
  }
}
