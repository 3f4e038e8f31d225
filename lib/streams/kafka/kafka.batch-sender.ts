import { backoffDelayMs } from '../../common/backoff';
import { StreambackConnectionError, StreambackPublishError } from '../../common/errors';
import { Delay } from '../../common/waiting';
import { classifyFailure, describeFailure, toConnectionError } from './kafka.errors';
import { PublishQueue, type PendingMessage } from './kafka.publish-queue';

const BACKOFF = { delayMs: 50, factor: 2, maxDelayMs: 1_000, jitter: 0.2 };
/** A topic's batches do not become smaller than this when the broker refuses them as too large, in bytes. */
const LEAST_PARTITION_BYTES = 16_384;

export interface BatchSenderOptions {
  /** Sends messages in one request; rejects with what kafkajs gave. The seam for tests. */
  readonly send: (messages: readonly PendingMessage[]) => Promise<void>;
  /** The broker does not know a topic of a batch: takes out of it what must wait for its topic, by marking it done. */
  readonly onUnknownTopic: (messages: readonly PendingMessage[]) => Promise<void>;
  /** A batch failed and is tried again (the error), or one got through again (`undefined`). */
  readonly onTrouble: (error: unknown) => void;
  readonly publishTimeoutMs: number;
}

/**
 * Sends what is handed over in batches, one on its way at a time while the next gathers: as fast as several, and it keeps order. A
 * batch that failed is sent again as it was, until it arrives or the time of its messages is up.
 */
export class BatchSender {
  private readonly queue = new PublishQueue();
  private sending: readonly PendingMessage[] = [];
  private running = false;
  private scheduled = false;
  private ended = false;
  private troubled = false;
  private lastError: unknown;
  private expiry: NodeJS.Timeout | undefined;
  private readonly retryDelay = new Delay();
  private idle: (() => void)[] = [];

  constructor(private readonly options: BatchSenderOptions) {}

  push(message: PendingMessage): void {
    if (this.ended) return close(message);
    this.queue.push(message);
    this.expiry ??= setInterval(() => this.expire(), Math.min(Math.max(this.options.publishTimeoutMs / 20, 10), 500));
    if (this.running || this.scheduled) return;
    this.scheduled = true;
    // The end of this tick, microtasks included: what one tick sends goes together, and a lone call does not wait for the event loop.
    queueMicrotask(() =>
      process.nextTick(() => {
        this.scheduled = false;
        if (!this.running) void this.run();
      }),
    );
  }

  /** Resolves when nothing waits or is on its way. */
  async drained(): Promise<void> {
    if (!this.running && this.queue.size === 0) return;
    await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Gives up what is left with CLOSED. */
  end(): void {
    this.ended = true;
    this.retryDelay.end();
    clearInterval(this.expiry);
    this.expiry = undefined;
    this.sending.forEach(close);
    this.queue.expire(Infinity, close);
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.queue.size > 0) {
      const batch = this.queue.take();
      this.sending = batch;
      if (batch.length > 0) await this.deliver(batch);
      this.sending = [];
    }
    this.running = false;
    for (const resolve of this.idle.splice(0)) resolve();
  }

  private async deliver(batch: readonly PendingMessage[], divided = false): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const live = attempt === 1 ? batch : batch.filter((message) => !message.done);
      if (live.length === 0) return;
      try {
        await this.options.send(live);
        this.recovered();
        // What was refused is taken now, as after a new ACL: its topic may travel with others again.
        if (!divided) live[0]!.topic.alone = false;
        for (const message of live) succeed(message);
        return;
      } catch (error) {
        this.lastError = error;
        const failure = classifyFailure(error);
        if (failure === 'authentication') {
          const refused = toConnectionError(error, 'Publishing');
          for (const message of live) fail(message, refused);
          return;
        }
        if (failure === 'too-large' || failure === 'refused' || failure === 'authorization') {
          await this.divide(live, error, failure);
          return;
        }
        if (failure === 'unknown-topic') await this.options.onUnknownTopic(live).catch(() => undefined);
        else this.trouble(error);
        await this.retryDelay.wait(backoffDelayMs(attempt, BACKOFF));
      }
    }
  }

  /** The broker does not say which message it refused: halves are tried until the guilty one is alone. */
  private async divide(
    batch: readonly PendingMessage[],
    error: unknown,
    failure: 'too-large' | 'refused' | 'authorization',
  ): Promise<void> {
    const first = batch[0]!;
    const other = batch.find(({ topic }) => topic !== first.topic);
    if (other) {
      await this.deliver(
        batch.filter(({ topic }) => topic === first.topic),
        true,
      );
      await this.deliver(
        batch.filter(({ topic }) => topic !== first.topic),
        true,
      );
      return;
    }
    first.topic.alone = true;
    if (failure === 'authorization') {
      const refused = toConnectionError(error, `Publishing to '${first.topic.name}'`);
      for (const message of batch) fail(message, refused);
      return;
    }
    if (batch.length === 1) {
      fail(first, refusal(first, error, failure));
      return;
    }
    if (failure === 'too-large') first.topic.maxPartitionBytes = Math.max(LEAST_PARTITION_BYTES, Math.floor(largestPartition(batch) / 2));
    const middle = batch.length >> 1;
    await this.deliver(batch.slice(0, middle), true);
    await this.deliver(batch.slice(middle), true);
  }

  private expire(): void {
    const now = Date.now();
    const give = (message: PendingMessage) => {
      const seconds = `${this.options.publishTimeoutMs} ms`;
      const details = this.lastError === undefined ? {} : { cause: this.lastError };
      const why = this.troubled ? ` (${describeFailure(this.lastError)})` : '';
      if (message.sent || !this.troubled) {
        fail(
          message,
          new StreambackPublishError('PUBLISH_TIMEOUT', `Not acknowledged within ${seconds}: topic '${message.topic.name}'${why}`, details),
        );
      } else {
        fail(message, new StreambackConnectionError('UNREACHABLE', `No Kafka broker could be reached within ${seconds}${why}`, details));
      }
    };
    for (const message of this.sending) if (!message.done && message.deadline <= now) give(message);
    this.queue.expire(now, give);
    if (this.running || this.queue.size > 0) return;
    clearInterval(this.expiry);
    this.expiry = undefined;
  }

  private trouble(error: unknown): void {
    this.troubled = true;
    this.options.onTrouble(error);
  }

  private recovered(): void {
    if (!this.troubled) return;
    this.troubled = false;
    this.options.onTrouble(undefined);
  }
}

function succeed(message: PendingMessage): void {
  if (message.done) return;
  message.done = true;
  message.resolve();
}

function fail(message: PendingMessage, error: Error): void {
  if (message.done) return;
  message.done = true;
  message.reject(error);
}

function close(message: PendingMessage): void {
  fail(message, new StreambackConnectionError('CLOSED', 'The Kafka stream was closed before the broker acknowledged the message'));
}

function refusal(message: PendingMessage, error: unknown, failure: 'too-large' | 'refused'): Error {
  const size = message.record.value?.length ?? 0;
  if (failure === 'too-large') {
    return new StreambackPublishError('TOO_LARGE', `The broker refuses ${size} bytes for topic '${message.topic.name}'`, {
      cause: error,
      remedy: "Send less at once, or raise the broker's message.max.bytes or the topic's max.message.bytes.",
    });
  }
  return new StreambackConnectionError(
    'NOT_AUTHORIZED',
    `The broker refuses a message for '${message.topic.name}': ${describeFailure(error)}`,
    { cause: error },
  );
}

function largestPartition(batch: readonly PendingMessage[]): number {
  const bytes: number[] = [];
  for (const message of batch) bytes[message.record.partition!] = (bytes[message.record.partition!] ?? 0) + message.bytes;
  return Math.max(...bytes.filter((each) => each !== undefined));
}
