import type { Redis } from 'ioredis';
import type { StreambackLogger } from '../../common/logger';
import type {
  FeedbackStream,
  FeedbackStreamCapabilities,
  InboxItem,
  InboxReader,
  InboxReaderOptions,
  ListReaderOptions,
  WriteResult,
} from '../feedback-stream';
import type { StreamStatus } from '../main-stream';
import type { StreamUrl } from '../streams-url';
import { createRedis, redisAddress, redisClientOptions } from './redis.client';
import { RedisConnection } from './redis.connection';
import { closedError, toStreambackError } from './redis.errors';
import { warnOfEviction } from './redis.eviction';
import { RedisInboxReader } from './redis.inbox-reader';
import { RedisInboxWriter } from './redis.inbox-writer';
import { RedisLeases } from './redis.leases';
import { RedisListReader } from './redis.list-reader';
import { RedisListWriter } from './redis.list-writer';
import type { StreambackRedisOptions } from './redis.options';
import { RedisStatus } from './redis.status';

export interface RedisFeedbackStreamOptions {
  /** `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS; port 6379 unless said otherwise. */
  readonly url: StreamUrl;
  readonly options: StreambackRedisOptions;
  readonly logger: StreambackLogger;
  /**
   * How long the first connection may take, in ms. Later outages are waited for.
   * @default 10_000
   */
  readonly connectTimeoutMs?: number;
}

/**
 * Answers over Redis 6.2 or later: inboxes as Redis streams, feedback lists in Python's form. Two sockets, one that writes and one
 * that an open inbox blocks in its reads; a third once feedback lists are read.
 */
export class RedisFeedbackStream implements FeedbackStream {
  readonly name = 'redis';
  readonly capabilities: FeedbackStreamCapabilities = { lists: true, durable: true };
  private readonly address: string;
  private readonly status: RedisStatus;
  private readonly newConnection: () => RedisConnection;
  private readonly writing: RedisConnection;
  private readonly inboxWriter: RedisInboxWriter;
  private readonly leases: RedisLeases;
  private readonly listWriter: RedisListWriter;
  private readonly listReader: RedisListReader;
  private readonly readers = new Set<InboxReader>();
  private readonly logger: StreambackLogger;
  private checkedEviction = false;
  private closing: Promise<void> | undefined;

  /** @throws StreambackConfigError INVALID_STREAMS_URL */
  constructor({ url, options, logger, connectTimeoutMs = 10_000 }: RedisFeedbackStreamOptions) {
    this.logger = logger;
    this.address = redisAddress(redisClientOptions(url, options));
    this.status = new RedisStatus(this.address, logger);
    this.newConnection = () =>
      new RedisConnection({
        create: () => createRedis(redisClientOptions(url, options)),
        address: this.address,
        status: this.status,
        connectTimeoutMs,
      });
    this.writing = this.newConnection();
    this.inboxWriter = new RedisInboxWriter(this.writing, this.address);
    this.leases = new RedisLeases(this.writing);
    this.listWriter = new RedisListWriter(this.writing, this.address);
    this.listReader = new RedisListReader(this.writing, this.newConnection, logger);
  }

  async connect(): Promise<void> {
    await this.writing.connect();
    if (this.checkedEviction) return;
    this.checkedEviction = true;
    await warnOfEviction(this.writing, this.address, this.logger);
  }

  async openReader(options: InboxReaderOptions): Promise<InboxReader> {
    if (this.closing) throw closedError(this.address);
    const reading = this.newConnection();
    const onLost = (): void => {
      this.readers.delete(reader);
      options.onLost();
    };
    const reader = new RedisInboxReader({ ...options, onLost, writing: this.writing, reading, logger: this.logger });
    try {
      await this.connect();
      await reader.open();
    } catch (error) {
      await reading.close('now');
      throw toStreambackError(error, this.address, 'UNREACHABLE');
    }
    if (this.closing) {
      await reader.close();
      throw closedError(this.address);
    }
    this.readers.add(reader);
    return {
      close: () => {
        this.readers.delete(reader);
        return reader.close();
      },
    };
  }

  write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    return this.inboxWriter.write(inbox, items);
  }

  writeList(feedbackTopic: string, frames: readonly Buffer[], ttlMs: number): Promise<void> {
    return this.listWriter.write(feedbackTopic, frames, ttlMs);
  }

  async openListReader(options: ListReaderOptions): Promise<{ close(): Promise<void> }> {
    if (this.closing) throw closedError(this.address);
    return this.listReader.open(options);
  }

  alive(inboxes: readonly string[], leaseMs: number): Promise<ReadonlySet<string>> {
    return this.leases.alive(inboxes, leaseMs);
  }

  onStatus(listener: (status: StreamStatus) => void): () => void {
    return this.status.onStatus(listener);
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  /** The ioredis client of the writing connection. Do not block it, nor disconnect it. */
  unwrap(): Redis {
    return this.writing.client;
  }

  private async end(): Promise<void> {
    await Promise.all([...this.readers].map((reader) => reader.close()));
    this.readers.clear();
    await this.listReader.close();
    await this.writing.close('graceful');
  }
}
