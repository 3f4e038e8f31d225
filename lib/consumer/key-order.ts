import { Queue } from '../common/queue';

/** The right to run, of one task; its key stays taken until `done`. */
export interface Slot<Task = unknown> {
  /** The task has ended. Called once. */
  done(): void;
  /** Lets another task run while this one waits for something; resolves when the wait is over and it is this one's turn again. */
  rest(wait: Promise<unknown>): Promise<void>;
  /** Takes out what waits behind this one for its key: it must not run before this one has, which comes again. */
  takeBehind(): Task[];
}

/**
 * Runs tasks side by side up to a limit, but those of one key one after another, in the order they came (M4).
 */
export class KeyOrder<Task> {
  /** Keys with a task ready or running, and what waits behind it. */
  private readonly waiting = new Map<string, Queue<Task> | null>();
  /** What runs next; each takes a slot. */
  private readonly ready = new Queue<() => void>();
  private running = 0;

  /** @param start begins a task; must not throw */
  constructor(
    private readonly concurrency: number,
    private readonly start: (task: Task, slot: Slot<Task>) => void,
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

  private begin(key: string | null, task: Task): void {
    this.ready.push(() =>
      this.start(task, { done: () => this.done(key), rest: (wait) => this.rest(wait), takeBehind: () => this.takeBehind(key) }),
    );
    this.next();
  }

  private takeBehind(key: string | null): Task[] {
    const behind = key === null ? undefined : this.waiting.get(key);
    const taken: Task[] = [];
    for (let task = behind?.shift(); task !== undefined; task = behind?.shift()) taken.push(task);
    return taken;
  }

  private next(): void {
    while (this.running < this.concurrency) {
      const run = this.ready.shift();
      if (!run) return;
      this.running += 1;
      run();
    }
  }

  private async rest(wait: Promise<unknown>): Promise<void> {
    this.running -= 1;
    this.next();
    await wait;
    const turn = new Promise<void>((resolve) => this.ready.push(resolve));
    this.next();
    await turn;
  }

  private done(key: string | null): void {
    this.running -= 1;
    if (key !== null) {
      const task = this.waiting.get(key)?.shift();
      if (task !== undefined) this.begin(key, task);
      else this.waiting.delete(key);
    }
    this.next();
  }
}
