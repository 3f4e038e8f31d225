import type { Redis } from 'ioredis';
import { Slots } from '../../common/slots';
import { closedError, isFinal, isNoSentinel, isReplyError, toStreambackError } from './redis.errors';
import type { RedisStatus } from './redis.status';

/** How long closing waits for what was handed over, in ms; without a live connection it does not wait. */
const CLOSE_TIMEOUT_MS = 1_000;
/** After a first refusal a server that is just starting has so long, in ms. Whoever waits for longer tries again. */
const REFUSED_PATIENCE_MS = 1_000;

/** Commands that do not depend on each other: the name and its arguments. */
export type RedisBatch = readonly (readonly [name: string, ...args: (string | number)[]])[];
/** For each command the error that it was refused with, and its reply. */
export type RedisReplies = readonly (readonly [error: Error | null, reply: unknown])[];

export interface RedisConnectionOptions {
  /** Makes an unconnected client. */
  readonly create: () => Redis;
  /** For errors; without secrets. */
  readonly address: string;
  readonly status: RedisStatus;
  /** How long the first connection may take, in ms. Later outages are waited for without an end. */
  readonly connectTimeoutMs: number;
}

/**
 * One connection to Redis over its whole life: the first connection succeeds or fails in bounded time; from then on it comes back by
 * itself, and commands wait for it, in order. Every promise it gives settles, at the latest at `close`.
 */
export class RedisConnection {
  private redis: Redis;
  private connecting: Promise<void> | undefined;
  private connected = false;
  private ready = false;
  private closing: Promise<void> | undefined;
  private lastError: unknown;
  private upSince = Infinity;
  private readonly pending = new Slots<(error: unknown) => void>();
  private readonly readyListeners = new Set<() => void>();
  private readonly cutListeners = new Set<() => void>();

  constructor(protected readonly options: RedisConnectionOptions) {
    this.redis = this.create();
  }

  get client(): Redis {
    return this.redis;
  }

  get isReady(): boolean {
    return this.ready;
  }

  get isClosed(): boolean {
    return this.closing !== undefined;
  }

  /** Since when everything sent was answered soon, in ms; 0 while the connection is away. */
  get upForMs(): number {
    return this.ready ? Math.max(0, performance.now() - this.upSince) : 0;
  }

  /** An answer came late, or a refusal instead: to those who reason about absence, the connection was away. */
  wasSlow(): void {
    this.upSince = performance.now();
  }

  /** Called with each later connection, the first not among them. */
  onBack(listener: () => void): void {
    this.readyListeners.add(listener);
  }

  offBack(listener: () => void): void {
    this.readyListeners.delete(listener);
  }

  /** Called when a live connection breaks. */
  onCut(listener: () => void): void {
    this.cutListeners.add(listener);
  }

  /**
   * Resolves once connected. Idempotent; may be called again after it failed.
   * @throws StreambackConnectionError UNREACHABLE after `connectTimeoutMs`, sooner where it is refused; AUTHENTICATION_FAILED, NOT_AUTHORIZED at once; CLOSED
   * @throws StreambackConfigError INVALID_STREAMS_URL where the database does not exist
   */
  connect(): Promise<void> {
    if (this.closing) return Promise.reject(closedError(this.options.address));
    this.connecting ??= this.connectFirst().catch((error: unknown) => {
      this.connecting = undefined;
      if (!this.closing) this.startOver(error);
      throw error;
    });
    return this.connecting;
  }

  /** Sends what `send` sends, after what was sent before; waits for Redis where it is away. Rejects with CLOSED at `close`. */
  run<T>(send: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.closing) return Promise.reject(closedError(this.options.address));
    if (!this.connecting) this.connect().catch(() => {});
    return new Promise<T>((resolve, reject) => {
      const fail = (error: unknown): void => {
        if (this.pending.delete(slot, fail)) reject(error);
      };
      const slot = this.pending.add(fail);
      send(this.redis).then(
        (value) => {
          this.pending.delete(slot, fail);
          resolve(value);
        },
        (error: unknown) => fail(this.closing && !isReplyError(error) ? closedError(this.options.address) : error),
      );
    });
  }

  /** `run` for what is sent again before long anyhow: it may reject where a node of a cluster is away. */
  once<T>(send: (redis: Redis) => Promise<T>): Promise<T> {
    return this.run(send);
  }

  /** Sends commands whose keys may lie on several nodes, in one round trip. */
  async batch(commands: RedisBatch): Promise<RedisReplies> {
    return (await this.run((redis) => redis.pipeline(commands.map((command) => [...command])).exec())) ?? [];
  }

  /** Whether none of the keys is there, by one command; `undefined` where one cannot tell. */
  async areAbsent(keys: readonly string[]): Promise<boolean | undefined> {
    try {
      return (await this.run((redis) => redis.exists(...keys))) === 0;
    } catch (error) {
      // What stands between may take a key at a time.
      if (isReplyError(error)) return undefined;
      throw error;
    }
  }

  /**
   * Frees the socket. Idempotent.
   * @param how `graceful` lets what was handed over arrive first; `now` is for a connection that blocks in a read.
   */
  close(how: 'graceful' | 'now'): Promise<void> {
    this.closing ??= this.end(how);
    return this.closing;
  }

  private async end(how: 'graceful' | 'now'): Promise<void> {
    // Told by hand: a client that is between two connections settles nothing when it is disconnected.
    if (how === 'graceful' && this.ready && this.redis.status === 'ready') {
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)));
      await Promise.race([
        this.quit(this.redis).then(
          () => {},
          () => {},
        ),
        timeout,
      ]);
      clearTimeout(timer);
    }
    this.ready = false;
    this.dispose(this.redis);
    this.failPending(closedError(this.options.address));
    this.options.status.forget(this);
  }

  private connectFirst(): Promise<void> {
    const { redis } = this;
    const { address, connectTimeoutMs } = this.options;
    return new Promise<void>((resolve, reject) => {
      const settle = (error?: unknown): void => {
        clearTimeout(timer);
        clearTimeout(refused);
        this.pending.delete(slot, settle);
        redis.off('ready', onReady).off('error', onError).off('end', onEnd);
        if (error === undefined) resolve();
        else reject(toStreambackError(error, address, 'UNREACHABLE'));
      };
      const onReady = (): void => settle();
      const onError = (error: unknown): void => {
        // A refused socket may be a server that is still starting; refused credentials will stay refused.
        if (isFinal(toStreambackError(error, address, 'UNREACHABLE'))) settle(error);
        else refused ??= setTimeout(() => settle(this.lastError ?? error), REFUSED_PATIENCE_MS);
      };
      const onEnd = (): void => settle(this.closing ? closedError(address) : (this.lastError ?? new TypeError('the client ended')));
      let refused: NodeJS.Timeout | undefined;
      const timer = setTimeout(() => {
        settle(this.lastError ?? new RangeError(`no connection within ${connectTimeoutMs} ms`));
      }, connectTimeoutMs);
      redis.on('ready', onReady).on('error', onError).on('end', onEnd);
      const slot = this.pending.add(settle);
      redis.connect().catch(() => {});
    });
  }

  private create(): Redis {
    const redis = this.options.create();
    let sentinelError: unknown;
    redis.on('sentinelError', (error: unknown) => {
      sentinelError = error;
    });
    redis.on('error', (error: unknown) => {
      // Of sentinels that answered, but do not know the master, ioredis says that they are unreachable.
      this.lastError = isNoSentinel(error) ? (sentinelError ?? error) : error;
    });
    redis.on('ready', () => {
      if (this.redis !== redis || this.closing) return;
      const again = this.connected;
      this.connected = this.ready = true;
      this.lastError = undefined;
      this.upSince = performance.now();
      this.options.status.isUp(this);
      if (again) this.tellBack();
    });
    redis.on('close', () => {
      if (this.redis !== redis || this.closing || !this.connected) return;
      const wasReady = this.ready;
      this.ready = false;
      this.options.status.isDown(this, this.lastError ?? 'the connection was closed');
      if (wasReady) this.tellCut();
    });
    this.watch(redis);
    return redis;
  }

  /** Listens to what only some clients tell. */
  protected watch(_redis: Redis): void {}

  protected tellBack(): void {
    for (const listener of this.readyListeners) listener();
  }

  protected tellCut(): void {
    for (const listener of this.cutListeners) listener();
  }

  protected async quit(redis: Redis): Promise<void> {
    await redis.quit();
  }

  protected dispose(redis: Redis): void {
    redis.disconnect();
    // `disconnect` only says goodbye: a peer that does not answer would hold the process.
    redis.stream?.destroy();
  }

  /** After a first connection that failed: whoever waited is told, and the next `connect` begins anew. */
  private startOver(error: unknown): void {
    const old = this.redis;
    this.redis = this.create();
    this.dispose(old);
    this.failPending(error);
  }

  private failPending(error: unknown): void {
    for (const fail of this.pending.values()) fail(error);
  }
}
