import type { InboxItem, WriteResult } from '../feedback-stream';
import type { RedisConnection } from './redis.connection';
import { isWrongType, toStreambackError } from './redis.errors';
import { entryFields, MAX_ENTRY_BYTES, MAX_ENTRY_FIELDS, splitItems } from './redis.inbox-entry';
import { RedisWriteQueues } from './redis.write-queues';

/**
 * Writes to inboxes of a cluster that exist, and to no others. An inbox has one entry under way at a time: a command that is
 * redirected, or sent again after a failover, would be overtaken by those behind it.
 */
export class RedisClusterInboxWriter {
  private readonly queues = new RedisWriteQueues<readonly InboxItem[], WriteResult>({
    store: (inbox, writes) => this.add(inbox, writes.flat()),
    sizeOf: (items) => ({ count: items.length, bytes: items.reduce((bytes, { value }) => bytes + value.length, 0) }),
    max: { count: MAX_ENTRY_FIELDS, bytes: MAX_ENTRY_BYTES },
  });

  constructor(
    private readonly connection: RedisConnection,
    private readonly address: string,
  ) {}

  /** @see FeedbackStream.write */
  write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    return items.length === 0 ? Promise.resolve('written') : this.queues.write(inbox, items);
  }

  /** Resolves when all that was handed over is settled. */
  idle(): Promise<void> {
    return this.queues.idle();
  }

  private async add(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    try {
      for (const group of splitItems(items)) {
        const id = await this.connection.run((redis) => redis.xadd(inbox, 'NOMKSTREAM', '*', ...entryFields(group)));
        if (id === null) return 'gone';
      }
      return 'written';
    } catch (error) {
      if (isWrongType(error)) return 'gone';
      throw toStreambackError(error, this.address, 'FEEDBACK_UNWRITABLE');
    }
  }
}
