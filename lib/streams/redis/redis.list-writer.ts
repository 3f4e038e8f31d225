import { StreambackMessageError } from '../../common/errors';
import type { RedisConnection } from './redis.connection';
import { isWrongType, toStreambackError } from './redis.errors';
import { runTransaction } from './redis.transaction';
import { RedisWriteQueues } from './redis.write-queues';

interface ListWrite {
  readonly frames: readonly Buffer[];
  readonly ttlMs: number;
}

/** One push carries no more than this, one write apart. */
const MAX = { count: 512, bytes: 1_048_576 };

/** Writes feedback lists in Python's form: LPUSH with the expiry in the same transaction, one transaction of a list at a time. */
export class RedisListWriter {
  private readonly queues = new RedisWriteQueues<ListWrite, void>({
    store: (feedbackTopic, writes) => this.push(feedbackTopic, writes),
    sizeOf: ({ frames }) => ({ count: frames.length, bytes: frames.reduce((bytes, { length }) => bytes + length, 0) }),
    max: MAX,
  });

  constructor(
    private readonly connection: RedisConnection,
    private readonly address: string,
  ) {}

  /** @see FeedbackStream.writeList */
  write(feedbackTopic: string, frames: readonly Buffer[], ttlMs: number): Promise<void> {
    if (frames.length === 0) return Promise.resolve();
    return this.queues.write(feedbackTopic, { frames, ttlMs });
  }

  private async push(feedbackTopic: string, writes: readonly ListWrite[]): Promise<void> {
    const frames = writes.flatMap((write) => write.frames);
    const ttlMs = Math.max(...writes.map((write) => write.ttlMs));
    try {
      await runTransaction(this.connection, (transaction) => transaction.lpush(feedbackTopic, ...frames).pexpire(feedbackTopic, ttlMs));
    } catch (error) {
      // Another program's, and so it will stay: trying again is of no use.
      if (isWrongType(error)) throw new StreambackMessageError('FOREIGN_FEEDBACK_KEY', `'${feedbackTopic}' is no list`, { cause: error });
      throw toStreambackError(error, this.address, 'FEEDBACK_UNWRITABLE');
    }
  }
}
