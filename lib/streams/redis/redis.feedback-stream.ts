import type { FeedbackStreamCapabilities, InboxItem, ListReaderOptions, WriteResult } from '../feedback-stream';
import { createRedis, redisAddress, redisClientOptions } from './redis.client';
import { RedisConnection } from './redis.connection';
import { closedError } from './redis.errors';
import { RedisInboxStream, type RedisStreamOptions } from './redis.inbox-stream';
import { RedisInboxWriter } from './redis.inbox-writer';
import { RedisListReader } from './redis.list-reader';
import { RedisListWriter } from './redis.list-writer';

/**
 * Answers over Redis 6.2 or later: inboxes as Redis streams, feedback lists in Python's form. Two sockets, one that writes and one
 * that an open inbox blocks in its reads; a third once feedback lists are read.
 *
 * `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS; port 6379 unless said otherwise. With
 * `redis+sentinel://[user[:password]@]host[:port],…/master[/db]` sentinels are asked for the server at each connection.
 */
export class RedisFeedbackStream extends RedisInboxStream {
  readonly capabilities: FeedbackStreamCapabilities = { lists: true, durable: true, copies: true };
  private readonly inboxWriter: RedisInboxWriter;
  private readonly listWriter: RedisListWriter;
  private readonly listReader: RedisListReader;

  /** @throws StreambackConfigError INVALID_STREAMS_URL */
  constructor(options: RedisStreamOptions) {
    const clientOptions = () => redisClientOptions(options.url, options.options);
    super(options, {
      address: redisAddress(clientOptions()),
      newConnection: (connection) => new RedisConnection({ ...connection, create: () => createRedis(clientOptions()) }),
    });
    this.inboxWriter = new RedisInboxWriter(this.writing, this.address);
    this.listWriter = new RedisListWriter(this.writing, this.address);
    this.listReader = new RedisListReader(this.writing, this.newConnection, this.logger);
  }

  write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    return this.inboxWriter.write(inbox, items);
  }

  writeList(feedbackTopic: string, frames: readonly Buffer[], ttlMs: number): Promise<void> {
    return this.listWriter.write(feedbackTopic, frames, ttlMs);
  }

  async filledLists(feedbackTopics: readonly string[]): Promise<ReadonlySet<string>> {
    // Redis has no empty lists.
    const replies = await this.writing.batch(feedbackTopics.map((topic) => ['exists', topic]));
    return new Set(feedbackTopics.filter((_topic, index) => Number(replies[index]?.[1]) > 0));
  }

  async openListReader(options: ListReaderOptions): Promise<{ close(): Promise<void> }> {
    if (this.closing) throw closedError(this.address);
    return this.listReader.open(options);
  }

  protected endOwn(): Promise<void> {
    return this.listReader.close();
  }
}
