import { StreambackPublishError } from '../common/errors';
import { PendingBytes } from '../common/pending-bytes';
import { encodeEnvelope, type EnvelopeHead } from '../protocol/envelope';
import { topicOf } from '../protocol/topic-name';
import type { MainStream, MessageHeader, OutgoingMessage } from '../streams/main-stream';
import { HandedOver, type Failure, type Settled } from './handed-over';
import type { StreambackRequestOptions } from './request-options';

export interface PublisherOptions {
  readonly topicsPrefix: string;
  readonly maxMessageBytes: number;
  /** @default no limit */
  readonly maxPendingBytes?: number;
}

/** Where a message goes, and with what beside it. */
interface Addressing {
  readonly key?: string | null | undefined;
  readonly headers?: StreambackRequestOptions['headers'];
}

type Message = OutgoingMessage & { readonly key: string | null; readonly value: Buffer };

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

  /** Counts what is not even published as handed over, and failed. */
  refuse(failure: Failure, settled: Settled): void {
    this.handedOver.end(this.handedOver.begin(), failure);
    settled(failure);
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
   * Publishes a message, which counts as handed over.
   * @param settled told once the broker has it (M1), or of what keeps it from it: StreambackConfigError INVALID_PATTERN, a
   *   StreambackPublishError or a StreambackConnectionError. A callback, as every message has one, and a promise costs more
   */
  publish(pattern: string, valueJson: string, options: Addressing, head: EnvelopeHead, settled: Settled): void {
    const span = this.handedOver.begin();
    let bytes = 0;
    const over: Settled = (failure) => {
      this.pending.remove(bytes);
      this.handedOver.end(span, failure);
      settled(failure);
    };
    try {
      const message = this.messageOf(pattern, valueJson, options, head);
      const size = sizeOf(message);
      this.refuseLarge(pattern, size);
      this.hold(pattern, size);
      bytes = size;
      this.main.publish(message).then(
        () => over(),
        (error: unknown) => over({ error }),
      );
    } catch (error) {
      over({ error });
    }
  }

  private messageOf(pattern: string, valueJson: string, { key = null, headers }: Addressing, head: EnvelopeHead): Message {
    const topic = this.topicOf(pattern);
    return { topic, key, value: encodeEnvelope(valueJson, head), headers: encodeHeaders(headers) };
  }

  /** @throws StreambackPublishError TOO_LARGE */
  private refuseLarge(pattern: string, bytes: number): void {
    const { maxMessageBytes } = this.options;
    if (bytes <= maxMessageBytes) return;
    throw new StreambackPublishError(
      'TOO_LARGE',
      `The message for '${pattern}' has ${bytes} bytes, maxMessageBytes allows ${maxMessageBytes}`,
    );
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

function sizeOf({ key, value, headers }: Message): number {
  let bytes = value.length + (key === null ? 0 : Buffer.byteLength(key));
  for (const [name, text] of headers) bytes += Buffer.byteLength(name) + text.length;
  return bytes;
}

function encodeHeaders(headers: Readonly<Record<string, string>> | undefined): readonly MessageHeader[] {
  if (!headers) return NO_HEADERS;
  return Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8')]);
}
