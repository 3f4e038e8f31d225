import type { Redis } from 'ioredis';
import { setTimeout as pause } from 'node:timers/promises';
import { backoffDelayMs } from '../../common/backoff';
import type { StreambackLogger } from '../../common/logger';
import type { InboxReader, InboxReaderOptions } from '../feedback-stream';
import { BLOCK_MS } from './redis.client';
import type { RedisConnection } from './redis.connection';
import { isWrongType, messageOf, toStreambackError } from './redis.errors';
import { parseXread } from './redis.inbox-entry';
import { RedisInboxKeys } from './redis.inbox-keys';

/** Entries a read, where they are small; large ones are read fewer at a time. */
const MAX_ENTRIES = 128;
const TARGET_BYTES = 4_194_304;
/** What was read is dropped after so much of it, or so long, in ms: a slow stream must not leave its frames behind until the next renewal. */
const TRIM_ENTRIES = 64;
const TRIM_BYTES = 1_048_576;
const TRIM_AFTER_MS = 100;
/** How long closing waits for the keys to be deleted, in ms; beyond, they expire. */
const DELETE_TIMEOUT_MS = 1_000;
const RETRY = { delayMs: 50, factor: 2, maxDelayMs: 2_000, jitter: 0.2 };

export interface RedisInboxReaderOptions extends InboxReaderOptions {
  readonly writing: RedisConnection;
  /** Belongs to this reader alone: it blocks in its reads. */
  readonly reading: RedisConnection;
  readonly logger: StreambackLogger;
  /** The server's, for logs; without secrets. */
  readonly address: string;
}

/** Reads one inbox, an entry once, and keeps it alive. */
export class RedisInboxReader implements InboxReader {
  private readonly keys: RedisInboxKeys;
  private readonly stopping = new AbortController();
  private lastId = '0-0';
  private count = MAX_ENTRIES;
  private untrimmedEntries = 0;
  private untrimmedBytes = 0;
  private trimming = false;
  private trimTimer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> | undefined;
  /** The connection was cut: whether this is still the same inbox is to be seen. */
  private verify = false;
  private cutMeanwhile = false;
  /** The last renewal failed for what trying again does not mend. */
  private refused = false;
  private timer: NodeJS.Timeout | undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly options: RedisInboxReaderOptions) {
    this.keys = new RedisInboxKeys(options.writing, options.inbox, options.ttlMs, options.leaseMs);
  }

  /** Creates the inbox and reads it from then on. @throws what Redis answers, as it is */
  async open(): Promise<void> {
    const { inbox, writing, reading, ttlMs, leaseMs } = this.options;
    await Promise.all([writing.connect(), reading.connect()]);
    this.lastId = await this.keys.create();
    try {
      // Fails at once where reading is not allowed, not only when an answer is waited for.
      this.read(await reading.run((redis) => redis.callBuffer('xread', 'COUNT', 1, 'STREAMS', inbox, this.lastId)));
    } catch (error) {
      await this.keys.delete().catch(() => {});
      throw error;
    }
    writing.onBack(this.onBack);
    reading.onBack(this.onBack);
    this.timer = setInterval(() => void this.renew(), Math.max(1, Math.floor(Math.min(leaseMs, ttlMs) / 3))).unref();
    void this.run();
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  private stop(): void {
    this.stopping.abort();
    clearInterval(this.timer);
    clearTimeout(this.trimTimer);
    this.options.writing.offBack(this.onBack);
  }

  private async end(): Promise<void> {
    const { writing, reading } = this.options;
    this.stop();
    await reading.close('now');
    if (!writing.isReady) return;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, DELETE_TIMEOUT_MS)));
    await Promise.race([this.keys.delete().catch(() => {}), timeout]);
    clearTimeout(timer);
  }

  private lost(why: string): void {
    if (this.stopped) return;
    this.options.logger.debug(`The inbox ${this.options.inbox} is lost, with what was in it: ${why}`);
    this.stop();
    void this.close();
    this.options.onLost();
  }

  private async run(): Promise<void> {
    const { reading, logger, inbox } = this.options;
    const request = (redis: Redis): Promise<unknown> =>
      redis.callBuffer('xread', 'COUNT', this.count, 'BLOCK', BLOCK_MS, 'STREAMS', inbox, this.lastId);
    for (let failures = 0; !this.stopped;) {
      try {
        this.read(await reading.run(request));
        failures = 0;
      } catch (error) {
        if (this.stopped) return;
        if (isWrongType(error)) return this.lost(messageOf(error));
        failures += 1;
        if (failures === 1) logger.error(`The inbox ${inbox} cannot be read, trying again: ${messageOf(error)}`);
        await pause(backoffDelayMs(failures, RETRY), undefined, { signal: this.stopping.signal }).catch(() => {});
      }
    }
  }

  private read(reply: unknown): void {
    if (this.stopped) return;
    const read = parseXread(reply);
    if (read === undefined) throw new TypeError('its XREAD reply is of no known form');
    if (read === null) return;
    this.lastId = read.lastId;
    this.count = Math.min(MAX_ENTRIES, Math.max(1, Math.floor((TARGET_BYTES * read.entries) / Math.max(1, read.bytes))));
    this.untrimmedEntries += read.entries;
    this.untrimmedBytes += read.bytes;
    if (this.untrimmedEntries >= TRIM_ENTRIES || this.untrimmedBytes >= TRIM_BYTES) this.trim();
    else this.trimTimer ??= setTimeout(() => this.trim(), TRIM_AFTER_MS).unref();
    if (read.items.length > 0) this.options.onItems(read.items);
  }

  private trim(): void {
    clearTimeout(this.trimTimer);
    this.trimTimer = undefined;
    if (this.trimming) return;
    this.trimming = true;
    this.untrimmedEntries = this.untrimmedBytes = 0;
    this.keys
      .trim(this.lastId)
      // What is not dropped now is dropped at the next renewal.
      .catch(() => {})
      .finally(() => (this.trimming = false));
  }

  private readonly onBack = (): void => {
    this.verify = this.cutMeanwhile = true;
    void this.renew();
  };

  private renew(): Promise<void> {
    // One at a time: an outage must not leave a queue of renewals.
    this.renewing ??= this.renewOnce().finally(() => {
      this.renewing = undefined;
      if (this.cutMeanwhile && !this.stopped && this.options.writing.isReady) void this.renew();
    });
    return this.renewing;
  }

  private async renewOnce(): Promise<void> {
    const { writing, leaseMs } = this.options;
    if (!writing.isReady) return;
    const { verify } = this;
    this.verify = this.cutMeanwhile = false;
    const startedAt = performance.now();
    try {
      const result = await this.keys.renew(this.lastId, verify);
      if (performance.now() - startedAt > leaseMs / 3) writing.wasSlow();
      this.refused = false;
      if (result === 'lost') this.lost('Redis does not have it any more');
    } catch (error) {
      this.verify ||= verify;
      if (this.stopped) return;
      this.notRenewed(error);
    }
  }

  private notRenewed(error: unknown): void {
    const { inbox, address, logger, writing } = this.options;
    const { code, message, retryable } = toStreambackError(error, address, 'UNREACHABLE');
    // A server that takes no write from us takes none from others: their leases end as well, though they live.
    if (retryable) writing.wasSlow();
    const line = `The inbox ${inbox} was not renewed (${code}), trying again: ${message}`;
    // A server that is away is told of by its connection, a missing right by nobody else.
    if (retryable || this.refused) logger.debug(line);
    else logger.error(line);
    this.refused = !retryable;
  }
}
