import type { RedisConnection } from './redis.connection';
import { toStreambackError } from './redis.errors';
import { runTransaction } from './redis.transaction';

interface Queued {
  readonly frames: readonly Buffer[];
  readonly ttlMs: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** One push carries no more than this, one frame apart. */
const MAX_FRAMES = 512;
const MAX_BYTES = 1_048_576;

/**
 * Writes feedback lists in Python's form: LPUSH with the expiry in the same transaction. A list has one transaction under way at a
 * time, and those who come meanwhile share the next: a transaction that was cut is sent again, and must not be overtaken.
 */
export class RedisListWriter {
  private readonly queues = new Map<string, Queued[]>();

  constructor(
    private readonly connection: RedisConnection,
    private readonly address: string,
  ) {}

  /** @see FeedbackStream.writeList */
  write(feedbackTopic: string, frames: readonly Buffer[], ttlMs: number): Promise<void> {
    if (frames.length === 0) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      const entry: Queued = { frames, ttlMs, resolve, reject };
      const queue = this.queues.get(feedbackTopic);
      if (queue) {
        queue.push(entry);
        return;
      }
      this.queues.set(feedbackTopic, [entry]);
      void this.drain(feedbackTopic);
    });
  }

  private async drain(feedbackTopic: string): Promise<void> {
    for (;;) {
      const queue = this.queues.get(feedbackTopic)!;
      if (queue.length === 0) break;
      const batch = takeBatch(queue);
      try {
        const frames = batch.flatMap((queued) => queued.frames);
        const ttlMs = Math.max(...batch.map((queued) => queued.ttlMs));
        await runTransaction(this.connection, (transaction) => transaction.lpush(feedbackTopic, ...frames).pexpire(feedbackTopic, ttlMs));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        const typed = toStreambackError(error, this.address, 'FEEDBACK_UNWRITABLE');
        for (const { reject } of batch) reject(typed);
      }
    }
    this.queues.delete(feedbackTopic);
  }
}

/** What goes in one push: a bounded number of writes from the front, at least one. */
function takeBatch(queue: Queued[]): Queued[] {
  let frames = 0;
  let bytes = 0;
  let length = 0;
  for (const queued of queue) {
    frames += queued.frames.length;
    for (const frame of queued.frames) bytes += frame.length;
    if (length > 0 && (frames > MAX_FRAMES || bytes > MAX_BYTES)) break;
    length += 1;
  }
  return queue.splice(0, length);
}
