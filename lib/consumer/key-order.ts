import { Queue } from '../common/queue';

/**
 * Runs tasks side by side up to a limit, but those of one key one after another, in the order they came (M4).
 */
export class KeyOrder<Task> {
  /** Keys with a task ready or running, and what waits behind it. */
  private readonly waiting = new Map<string, Queue<Task> | null>();
  private readonly ready = new Queue<{ key: string | null; task: Task }>();
  private running = 0;

  /** @param start begins a task; must not throw; `done` is called once, when the task has ended */
  constructor(
    private readonly concurrency: number,
    private readonly start: (task: Task, done: () => void) => void,
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
    this.ready.push({ key, task });
    this.next();
  }

  private next(): void {
    while (this.running < this.concurrency) {
      const entry = this.ready.shift();
      if (!entry) return;
      this.running += 1;
      this.start(entry.task, () => this.done(entry.key));
    }
  }

  private done(key: string | null): void {
    this.running -= 1;
    if (key !== null) {
      const task = this.waiting.get(key)?.shift();
      if (task !== undefined) this.ready.push({ key, task });
      else this.waiting.delete(key);
    }
    this.next();
  }
}
