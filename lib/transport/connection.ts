import { Logger } from '@nestjs/common';
import type { StreambackLogger } from '../common/logger';
import { invalidOption } from '../common/option-rules';
import { Consumer } from '../consumer/consumer';
import type { DeadLetter } from '../consumer/dead-letter';
import type { Listener } from '../consumer/listener';
import type { ConsumerFeedback } from '../consumer/answering';
import { FeedbackWriter } from '../inbox/feedback-writer';
import { Inbox } from '../inbox/inbox';
import type { ConnectionHooks } from '../lifecycle/told-hooks';
import { Producer } from '../producer/producer';
import type { JsonForm } from '../protocol/json';
import type { StreambackOptions } from '../streamback.options';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { MainStream, StreamStatus } from '../streams/main-stream';
import { resolveFeedbackStream, resolveMainStream, type StreamSettings } from '../streams/stream-resolver';
import { connectionOptions, type ConnectionOptions } from './connection-options';
import { errorValue, isAnswer } from './error-value';

/** Statuses from the worst to the best: the connection is as well as the worse of its streams. */
const STATUSES: readonly StreamStatus[] = ['disconnected', 'reconnecting', 'rebalancing', 'connected'];

/** What a server and a client share: streams, inbox and producer, made of one set of options. */
export class StreambackConnection {
  readonly options: ConnectionOptions;
  readonly logger: StreambackLogger;
  readonly main: MainStream;
  readonly feedback?: FeedbackStream;
  readonly producer: Producer;
  private readonly json: JsonForm;
  private readonly inbox?: Inbox;
  private readonly writer?: FeedbackWriter;
  private listeners: readonly Listener[] = [];
  private listening?: Consumer;
  private users = 0;
  private ending?: NodeJS.Timeout;
  private hasWarned = false;
  private closing?: Promise<void>;

  /** @throws StreambackConfigError */
  constructor(given: StreambackOptions) {
    this.options = connectionOptions(given);
    const { connection, group, streams, streamsByDefault } = this.options;
    this.logger = new Logger(connection === 'default' ? 'Streamback' : `Streamback:${connection}`);
    const settings: StreamSettings = { ...this.options, clientId: group, logger: this.logger };
    this.main = typeof streams.main === 'string' ? resolveMainStream(streams.main, settings) : streams.main;
    this.feedback = typeof streams.feedback === 'string' ? resolveFeedbackStream(streams.feedback, settings) : streams.feedback;
    if (streamsByDefault) {
      this.logger.warn("No streams are set: messages stay in this process. Set 'streams', or say 'memory://' to mean it.");
    }
    const { leaseMs, feedbackTtlMs: ttlMs, maxPendingBytes, bigint } = this.options;
    this.json = { bigint, onNotFinite: this.warnOfNotFinite };
    if (this.feedback) {
      this.inbox = new Inbox(this.feedback, { leaseMs, ttlMs, logger: this.logger, json: this.json });
      this.writer = new FeedbackWriter(this.feedback, ttlMs, this.logger, undefined, maxPendingBytes);
    }
    this.producer = new Producer(this.main, this.answering(), {
      ...this.options,
      defaults: this.options.requests,
      cancelTtlMs: ttlMs,
      json: this.json,
      logger: this.logger,
    });
  }

  /** What listens on it, once something does. */
  get consumer(): Consumer | undefined {
    return this.listening;
  }

  /** Makes what listens; its owner starts and closes it. @param hooks told what belongs to no listener */
  listen(listeners: readonly Listener[], hooks?: ConnectionHooks<DeadLetter>): Consumer {
    this.listeners = listeners;
    const options = { ...this.options, json: this.json, logger: this.logger, errorValue, isAnswer, hooks };
    return (this.listening = new Consumer(this.main, this.answering(), listeners, options));
  }

  /** The dead-letter topic that a listener of this process names for its own topic, if it does. */
  deadLetterTopicOf(topic: string): string | undefined {
    return this.listeners.find((listener) => listener.topic === topic)?.options.deadLetterTopic || undefined;
  }

  /** Told the connection's status, at once and with each change. Returns a function that ends it. */
  onStatus(listener: (status: StreamStatus) => void): () => void {
    const now: { main: StreamStatus; feedback: StreamStatus } = { main: 'disconnected', feedback: 'connected' };
    // Of both first, or the status would be that of the first alone for a moment.
    let isKnown = false;
    const tell = (): void => {
      if (isKnown) listener(STATUSES[Math.min(STATUSES.indexOf(now.main), STATUSES.indexOf(now.feedback))]!);
    };
    const ends = [
      this.main.onStatus((status) => ((now.main = status), tell())),
      this.feedback?.onStatus((status) => ((now.feedback = status), tell())),
    ];
    isKnown = true;
    tell();
    return () => ends.forEach((end) => end?.());
  }

  /**
   * The app is closing: requests that are in flight when so much time has passed, in ms, err CLOSED. What waits for them, an HTTP request
   * for instance, would keep the app from closing the client.
   */
  endRequests(withinMs: number): void {
    this.ending ??= setTimeout(() => this.producer.endRequests('the app is closing, and drainTimeoutMs is over'), withinMs).unref();
  }

  /** One more server or client uses it. */
  retain(): void {
    this.users += 1;
  }

  /** One less does; the last one closes it. */
  async release(): Promise<void> {
    this.users -= 1;
    if (this.users === 0) await this.close();
  }

  /** Once: what sends one sends more. */
  private readonly warnOfNotFinite = (): void => {
    if (this.hasWarned) return;
    this.hasWarned = true;
    this.logger.warn('A message or an answer has NaN or Infinity in it, as Python writes them: they are no JSON, and are read as null');
  };

  /** What answers travel by; nothing where messages go one way only. */
  private answering(): ConsumerFeedback | undefined {
    const { feedback: stream, inbox, writer } = this;
    return stream && inbox && writer && { stream, inbox, writer };
  }

  private close(): Promise<void> {
    this.closing ??= (async () => {
      clearTimeout(this.ending);
      this.producer.close();
      await this.writer?.close();
      await this.inbox?.close();
      await Promise.all([this.main.close(), this.feedback?.close()]);
    })();
    return this.closing;
  }
}

/**
 * A connection that is shared, or one of one's own.
 * @throws StreambackConfigError for a wrong option; also for schedules, which only the module keeps
 */
export function connectionOf(options: StreambackOptions | StreambackConnection): StreambackConnection {
  if (options instanceof StreambackConnection) return options;
  const connection = new StreambackConnection(options);
  if (connection.options.schedules.length > 0) {
    throw invalidOption('schedules', "'schedules' are kept by StreambackModule alone", 'Import StreambackModule.forRoot({ schedules }).');
  }
  return connection;
}
