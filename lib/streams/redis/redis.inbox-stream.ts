import type { Redis } from 'ioredis';
import type { StreambackLogger } from '../../common/logger';
import type {
  FeedbackStream,
  FeedbackStreamCapabilities,
  InboxItem,
  InboxReader,
  InboxReaderOptions,
  WriteResult,
} from '../feedback-stream';
import type { StreamStatus } from '../main-stream';
import type { StreamUrl } from '../streams-url';
import { RedisCancels } from './redis.cancels';
import type { RedisConnection, RedisConnectionOptions } from './redis.connection';
import { closedError, toStreambackError } from './redis.errors';
import { warnOfEviction } from './redis.eviction';
import { RedisInboxReader } from './redis.inbox-reader';
import { RedisLeases } from './redis.leases';
import type { StreambackRedisOptions } from './redis.options';
import { RedisScheduleStore } from './redis.schedule-store';
import { RedisStatus } from './redis.status';

export interface RedisStreamOptions {
  readonly url: StreamUrl;
  readonly options: StreambackRedisOptions;
  readonly logger: StreambackLogger;
  /**
   * How long the first connection may take, in ms. Later outages are waited for.
   * @default 10_000
   */
  readonly connectTimeoutMs?: number;
}

/** Where a stream goes. */
export interface RedisTarget {
  /** For logs and errors; without secrets. */
  readonly address: string;
  readonly newConnection: (options: Omit<RedisConnectionOptions, 'create'>) => RedisConnection;
}

/** The part of a feedback stream over Redis that is the same for one server and for a cluster. */
export abstract class RedisInboxStream implements FeedbackStream {
  readonly name = 'redis';
  abstract readonly capabilities: FeedbackStreamCapabilities;
  readonly schedules: RedisScheduleStore;
  protected readonly address: string;
  protected readonly logger: StreambackLogger;
  protected readonly newConnection: () => RedisConnection;
  protected readonly writing: RedisConnection;
  protected closing: Promise<void> | undefined;
  private readonly status: RedisStatus;
  private readonly leases: RedisLeases;
  private readonly cancels: RedisCancels;
  private readonly readers = new Set<InboxReader>();
  private checkedEviction = false;

  constructor({ logger, connectTimeoutMs = 10_000 }: RedisStreamOptions, { address, newConnection }: RedisTarget) {
    this.logger = logger;
    this.address = address;
    this.status = new RedisStatus(address, logger);
    this.newConnection = () => newConnection({ address, status: this.status, connectTimeoutMs });
    this.writing = this.newConnection();
    this.leases = new RedisLeases(this.writing);
    this.cancels = new RedisCancels(this.writing);
    this.schedules = new RedisScheduleStore(this.writing, address);
  }

  async connect(): Promise<void> {
    await this.writing.connect();
    if (this.checkedEviction) return;
    this.checkedEviction = true;
    // Not waited for: it is no part of being connected.
    void warnOfEviction(this.writing, this.address, this.logger);
  }

  async openReader(options: InboxReaderOptions): Promise<InboxReader> {
    if (this.closing) throw closedError(this.address);
    const reading = this.newConnection();
    const onLost = (): void => {
      this.readers.delete(reader);
      options.onLost();
    };
    const reader = new RedisInboxReader({ ...options, onLost, writing: this.writing, reading, logger: this.logger, address: this.address });
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

  abstract write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult>;

  alive(inboxes: readonly string[], leaseMs: number): Promise<ReadonlySet<string>> {
    return this.leases.alive(inboxes, leaseMs);
  }

  cancel(ids: readonly string[], ttlMs: number): Promise<void> {
    return this.cancels.mark(ids, ttlMs);
  }

  cancelled(ids: readonly string[]): Promise<ReadonlySet<string>> {
    return this.cancels.marked(ids);
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

  /** Ends what a stream of this kind has of its own, while it is still connected. */
  protected abstract endOwn(): Promise<void>;

  private async end(): Promise<void> {
    await Promise.all([...this.readers].map((reader) => reader.close()));
    this.readers.clear();
    await this.endOwn();
    await this.writing.close('graceful');
  }
}
