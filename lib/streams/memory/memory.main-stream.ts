import { StreambackAbortError, StreambackConnectionError } from '../../common/errors';
import { within } from '../../common/waiting';
import { FairShare } from '../fair-share';
import type {
  MainStream,
  MainStreamCapabilities,
  MainStreamDelivery,
  MainStreamMessage,
  MainStreamScan,
  MainStreamScanOptions,
  MainStreamSubscribeOptions,
  MainStreamSubscription,
  OutgoingMessage,
  StreamStatus,
} from '../main-stream';
import { MemoryTopicStore, type MemoryGroup } from './memory.topic-store';

/**
 * A main stream within this process: for development, tests, and apps that are one process. Of the same name, the same stream; it is
 * gone when its last user has closed.
 */
export class MemoryMainStream implements MainStream {
  readonly name = 'memory';
  readonly capabilities: MainStreamCapabilities = { durable: false, keyOrder: true, rebalance: true, lag: true, scan: true };
  private readonly store: MemoryTopicStore;
  private readonly listeners = new Set<(status: StreamStatus) => void>();
  private closed = false;

  /** @param name streams of one name in one process are the same stream */
  constructor(name = '') {
    this.store = MemoryTopicStore.acquire(name);
  }

  async connect(): Promise<void> {}

  async publish(message: OutgoingMessage): Promise<void> {
    if (this.closed) throw new StreambackConnectionError('CLOSED', 'The memory stream is closed');
    this.store.publish(message);
  }

  async subscribe(options: MainStreamSubscribeOptions): Promise<MainStreamSubscription> {
    if (this.closed) throw new StreambackConnectionError('CLOSED', 'The memory stream is closed');
    const subscription = new MemorySubscription(this.store.group(options.group), options);
    options.onRebalance?.({ assigned: options.topics.map((topic) => ({ topic, partition: 0 })), revoked: [] });
    return subscription;
  }

  async lag(group: string, topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const members = this.store.group(group);
    return new Map(topics.map((topic) => [topic, members.lag(topic)]));
  }

  async scan({ topic, group, fromBeginning = false }: MainStreamScanOptions): Promise<MainStreamScan> {
    if (this.closed) throw new StreambackConnectionError('CLOSED', 'The memory stream is closed');
    const messages = this.store.after(group, topic, fromBeginning);
    return {
      [Symbol.asyncIterator]: async function* () {
        yield* messages;
      },
      moveBehind: async (message) => this.store.moveBehind(group, message),
      close: async () => {},
    };
  }

  onStatus(listener: (status: StreamStatus) => void): () => void {
    const own = (status: StreamStatus): void => listener(status);
    this.listeners.add(own);
    listener(this.closed ? 'disconnected' : 'connected');
    return () => void this.listeners.delete(own);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.store.releaseUser();
    for (const listener of [...this.listeners]) listener('disconnected');
  }

  unwrap(): unknown {
    return this.store;
  }
}

/** One subscriber of a group. */
class MemorySubscription implements MainStreamSubscription {
  private readonly revocation = new AbortController();
  private readonly inFlight = new Set<MainStreamMessage>();
  private readonly idle: (() => void)[] = [];
  private readonly shares: FairShare;
  private turn = 0;
  /** As a broker's socket would: a process that listens lives. */
  private readonly keepAlive = setInterval(() => {}, 2 ** 30);
  private stopped = false;
  private scheduled = false;
  private closing?: Promise<void>;

  constructor(
    private readonly group: MemoryGroup,
    private readonly options: MainStreamSubscribeOptions,
  ) {
    this.shares = new FairShare(options.maxInFlight, options.topics.length);
    group.join(this.wake, options.topics);
    this.wake();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.group.leave(this.wake);
  }

  close(): Promise<void> {
    this.closing ??= this.drain();
    return this.closing;
  }

  private async drain(): Promise<void> {
    await this.stop();
    if (this.inFlight.size > 0) {
      await within(new Promise<void>((resolve) => this.idle.push(resolve)), this.options.drainTimeoutMs);
    }
    clearInterval(this.keepAlive);
    this.revocation.abort(new StreambackAbortError('SHUTDOWN', 'The process is closing'));
    for (const message of [...this.inFlight]) this.giveBack(message);
  }

  /** Takes what there is in a later turn, as a broker would: never within the publisher's own call. */
  private readonly wake = (): void => {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      for (let message = this.next(); message; message = this.next()) {
        this.inFlight.add(message);
        this.shares.take(message.topic);
        this.options.onDelivery(this.delivery(message));
      }
    });
  };

  /** From each topic in turn. */
  private next(): MainStreamMessage | undefined {
    const { topics } = this.options;
    for (let tried = 0; tried < topics.length && !this.stopped; tried++) {
      const topic = topics[this.turn++ % topics.length]!;
      const message = this.shares.hasRoom(topic) ? this.group.take(topic, this.wake) : undefined;
      if (message) return message;
    }
    return undefined;
  }

  private delivery(message: MainStreamMessage): MainStreamDelivery {
    return {
      message,
      revoked: this.revocation.signal,
      settle: () => {
        if (!this.inFlight.delete(message)) return;
        this.group.settle(message);
        this.onRoom(message);
      },
      release: () => this.giveBack(message),
    };
  }

  private giveBack(message: MainStreamMessage): void {
    if (!this.inFlight.delete(message)) return;
    this.group.giveBack(message);
    this.onRoom(message);
  }

  private onRoom({ topic }: MainStreamMessage): void {
    this.shares.give(topic);
    this.wake();
    if (this.inFlight.size === 0) for (const resolve of this.idle.splice(0)) resolve();
  }
}
