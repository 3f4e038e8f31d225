/** What one write weighs. */
export interface WriteSize {
  readonly count: number;
  readonly bytes: number;
}

interface Queued<Write, Result> extends WriteSize {
  readonly write: Write;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface RedisWriteQueuesOptions<Write, Result> {
  /** Stores writes of one key in one step. */
  readonly store: (key: string, writes: readonly Write[]) => Promise<Result>;
  readonly sizeOf: (write: Write) => WriteSize;
  /** One step carries no more than this, one write apart. */
  readonly max: WriteSize;
}

/**
 * Has one step under way at a time for each key, and those who come meanwhile share the next: a step that is sent again, after a
 * cut or to another node, must not be overtaken.
 */
export class RedisWriteQueues<Write, Result> {
  private readonly queues = new Map<string, Queued<Write, Result>[]>();
  private readonly draining = new Set<Promise<void>>();

  constructor(private readonly options: RedisWriteQueuesOptions<Write, Result>) {}

  write(key: string, write: Write): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const entry = { ...this.options.sizeOf(write), write, resolve, reject };
      const queue = this.queues.get(key);
      if (queue) {
        queue.push(entry);
        return;
      }
      this.queues.set(key, [entry]);
      const drained = this.drain(key).finally(() => this.draining.delete(drained));
      this.draining.add(drained);
    });
  }

  /** Resolves when all that was handed over is settled. */
  async idle(): Promise<void> {
    await Promise.all(this.draining);
  }

  private async drain(key: string): Promise<void> {
    for (;;) {
      const queue = this.queues.get(key)!;
      if (queue.length === 0) break;
      const batch = this.takeBatch(queue);
      try {
        const result = await this.options.store(
          key,
          batch.map(({ write }) => write),
        );
        for (const { resolve } of batch) resolve(result);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.queues.delete(key);
  }

  /** What goes in one step: a bounded number of writes from the front, at least one. */
  private takeBatch(queue: Queued<Write, Result>[]): Queued<Write, Result>[] {
    const { max } = this.options;
    let count = 0;
    let bytes = 0;
    let length = 0;
    for (const queued of queue) {
      count += queued.count;
      bytes += queued.bytes;
      if (length > 0 && (count > max.count || bytes > max.bytes)) break;
      length += 1;
    }
    return queue.splice(0, length);
  }
}
