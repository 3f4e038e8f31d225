import type { InboxItem, WriteResult } from '../feedback-stream';
import type { RedisConnection } from './redis.connection';
import { isWrongType, toStreambackError } from './redis.errors';
import { entryFields, MAX_ENTRY_BYTES, MAX_ENTRY_FIELDS, splitItems } from './redis.inbox-entry';

/** Writes to inboxes that exist, and to no others. */
export class RedisInboxWriter {
  /** Inboxes to which a write of several entries is under way: the next writes go after it. */
  private readonly large = new Map<string, Promise<unknown>>();

  constructor(
    private readonly connection: RedisConnection,
    private readonly address: string,
  ) {}

  /** @see FeedbackStream.write */
  async write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    if (items.length === 0) return 'written';
    const before = this.large.get(inbox);
    try {
      if (!before && isSmall(items)) return await this.add(inbox, items);
      return await this.writeAfter(inbox, before, items);
    } catch (error) {
      if (isWrongType(error)) return 'gone';
      throw toStreambackError(error, this.address, 'FEEDBACK_UNWRITABLE');
    }
  }

  /** One entry after the other, each stored before the next is sent: where one is refused, none behind it is stored. */
  private async writeAfter(inbox: string, before: Promise<unknown> | undefined, items: readonly InboxItem[]): Promise<WriteResult> {
    const writing = (async (): Promise<WriteResult> => {
      await before?.catch(() => {});
      for (const group of splitItems(items)) {
        if ((await this.add(inbox, group)) === 'gone') return 'gone';
      }
      return 'written';
    })();
    this.large.set(inbox, writing);
    try {
      return await writing;
    } finally {
      if (this.large.get(inbox) === writing) this.large.delete(inbox);
    }
  }

  private async add(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    const id = await this.connection.run((redis) => redis.xadd(inbox, 'NOMKSTREAM', '*', ...entryFields(items)));
    return id === null ? 'gone' : 'written';
  }
}

function isSmall(items: readonly InboxItem[]): boolean {
  if (items.length > MAX_ENTRY_FIELDS) return false;
  let bytes = 0;
  for (const { value } of items) bytes += value.length;
  return items.length === 1 || bytes <= MAX_ENTRY_BYTES;
}
