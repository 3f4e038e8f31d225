import { StreambackPublishError } from '../common/errors';
import { PendingBytes } from '../common/pending-bytes';
import { encodeEnvelope, type EnvelopeHead } from '../protocol/envelope';
import { topicOf } from '../protocol/topic-name';
import type { MainStream, MessageHeader } from '../streams/main-stream';
import { HandedOver } from './handed-over';
import type { StreambackRequestOptions } from './request-options';

export interface PublisherOptions {
  readonly topicsPrefix: string;
  readonly maxMessageBytes: number;
  /** @default no limit */
  readonly maxPendingBytes?: number;
}

/** Topics of patterns are remembered, up to so many: patterns can be made up while running. */
const MAX_REMEMBERED_TOPICS = 1_000;
const NO_HEADERS: readonly MessageHeader[] = [];

/** Puts messages on the main stream, within the limits on their size and on what waits for the broker. */
export class Publisher {
  private readonly topics = new Map<string, string>();
  private readonly pending: PendingBytes;
  private readonly handedOver = new HandedOver();
  private connecting?: Promise<void>;
  private connected = false;

  constructor(
    private readonly main: MainStream,
    private readonly options: PublisherOptions,
  ) {
    this.pending = new PendingBytes(options.maxPendingBytes ?? Infinity);
  }

  get isConnected(): boolean {
    return this.connected;
  }

  /** Cached, and tried again after a failure. @throws StreambackConnectionError */
  connect(): Promise<void> {
    this.connecting ??= this.main.connect().then(
      () => void (this.connected = true),
      (error: unknown) => {
        this.connecting = undefined;
        throw error;
      },
    );
    return this.connecting;
  }

  /** Counts what `sending` sends as handed over, for {@link flush}. */
  track(sending: Promise<unknown>): void {
    this.handedOver.track(sending);
  }

  /** Resolves when all that was handed over is acknowledged. @throws the first failure since the last flush */
  flush(): Promise<void> {
    return this.handedOver.flush();
  }

  /** Holds a message of about `bytes` until it can be sent. @throws StreambackPublishError BUFFER_FULL */
  async holding(pattern: string, bytes: number, until: () => Promise<void>): Promise<void> {
    this.hold(pattern, bytes);
    try {
      await until();
    } finally {
      this.pending.remove(bytes);
    }
  }

  /**
   * Resolves when the broker has it (M1).
   * @throws StreambackConfigError INVALID_PATTERN
   * @throws StreambackPublishError, StreambackConnectionError
   */
  async publish(
    pattern: string,
    valueJson: string,
    { key = null, headers }: { readonly key?: string | null | undefined; readonly headers?: StreambackRequestOptions['headers'] },
    head: EnvelopeHead,
  ): Promise<void> {
    const topic = this.topicOf(pattern);
    const value = encodeEnvelope(valueJson, head);
    const encoded = encodeHeaders(headers);
    const bytes =
      value.length +
      (key === null ? 0 : Buffer.byteLength(key)) +
      encoded.reduce((sum, [name, text]) => sum + Buffer.byteLength(name) + text.length, 0);
    if (bytes > this.options.maxMessageBytes) {
      throw new StreambackPublishError(
        'TOO_LARGE',
        `The message for '${pattern}' has ${bytes} bytes, maxMessageBytes allows ${this.options.maxMessageBytes}`,
      );
    }
    this.hold(pattern, bytes);
    try {
      await this.main.publish({ topic, key, value, headers: encoded });
    } finally {
      this.pending.remove(bytes);
    }
  }

  /** Counts bytes as pending. @throws StreambackPublishError BUFFER_FULL */
  private hold(pattern: string, bytes: number): void {
    if (!this.pending.hasRoomFor(bytes)) {
      throw new StreambackPublishError(
        'BUFFER_FULL',
        `The message for '${pattern}' is refused: with it more than maxPendingBytes would wait for the broker, ${this.pending.bytes} do`,
      );
    }
    this.pending.add(bytes);
  }

  private topicOf(pattern: string): string {
    let topic = this.topics.get(pattern);
    if (topic === undefined) {
      topic = topicOf(pattern, this.options.topicsPrefix);
      if (this.topics.size >= MAX_REMEMBERED_TOPICS) this.topics.clear();
      this.topics.set(pattern, topic);
    }
    return topic;
  }
}

function encodeHeaders(headers: Readonly<Record<string, string>> | undefined): readonly MessageHeader[] {
  if (!headers) return NO_HEADERS;
  return Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8')]);
}
