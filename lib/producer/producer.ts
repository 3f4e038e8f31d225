import { SYSTEM_CLOCK, type Clock } from '../common/clock';
import { PendingBytes } from '../common/pending-bytes';
import { StreambackConfigError, StreambackConnectionError, StreambackPublishError, StreambackTimeoutError } from '../common/errors';
import { SILENT_LOGGER, type StreambackLogger } from '../common/logger';
import { callerContext, currentCall } from '../context/call-context';
import type { FeedbackWriter } from '../inbox/feedback-writer';
import type { Inbox } from '../inbox/inbox';
import { encodeEnvelope } from '../protocol/envelope';
import type { Frame } from '../protocol/frame';
import { toJson } from '../protocol/json';
import { feedbackTopicOf, newId } from '../protocol/keys';
import { topicOf } from '../protocol/topic-name';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { MainStream, MessageHeader } from '../streams/main-stream';
import { Deadlines } from '../common/deadlines';
import { CreditWindow, type CreditBudget } from './credit-window';
import { Lane } from './lane';
import { PendingRequest, type AnswerObserver, type PendingRequestOwner } from './pending-request';
import { RemoteControl, type RemoteControlOptions } from './remote-control';
import { DEFAULT_CREDIT, DEFAULT_IDLE_TIMEOUT_MS, type StreambackRequestOptions } from './request-options';

/** What answers come by. */
export interface ProducerFeedback {
  readonly stream: FeedbackStream;
  readonly inbox: Inbox;
  readonly writer: FeedbackWriter;
}

export interface ProducerOptions extends RemoteControlOptions {
  readonly group: string;
  readonly topicsPrefix: string;
  readonly maxMessageBytes: number;
  /** @default no limit */
  readonly maxPendingBytes?: number;
  readonly defaults: StreambackRequestOptions;
  readonly clock?: Clock;
  readonly logger?: StreambackLogger;
}

/** What the grown windows of all lanes may stand for. */
const CREDIT_BUDGET_BYTES = 32_000_000;
/** Topics of patterns are remembered, up to so many: patterns can be made up while running. */
const MAX_REMEMBERED_TOPICS = 1_000;
const NO_HEADERS: readonly MessageHeader[] = [];

/** The sending half of a connection: publishes events and requests, and routes frames to the requests in flight. */
export class Producer implements PendingRequestOwner {
  private readonly requests = new Map<string, PendingRequest>();
  private readonly deadlines: Deadlines;
  private readonly clock: Clock;
  private readonly topics = new Map<string, string>();
  private readonly control?: RemoteControl;
  private readonly pending: PendingBytes;
  private readonly budget: CreditBudget = { bytes: CREDIT_BUDGET_BYTES };
  private connecting?: Promise<void>;
  private connected = false;
  private closed = false;

  /** @param feedback what answers come by; without it only events can be sent */
  constructor(
    private readonly main: MainStream,
    private readonly feedback: ProducerFeedback | undefined,
    private readonly options: ProducerOptions,
  ) {
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.deadlines = new Deadlines(this.requests, this.clock);
    this.pending = new PendingBytes(options.maxPendingBytes ?? Infinity);
    if (!feedback) return;
    this.control = new RemoteControl(this.requests, feedback.stream, feedback.writer, options, this.clock);
    feedback.inbox.receive({
      onFrame: (frame) => this.onFrame(frame),
      onLost: (error) => [...this.requests.values()].forEach((request) => request.fail(error)),
    });
  }

  /** Connects what sending needs; cached, and tried again after a failure. @throws StreambackConnectionError */
  async connect(): Promise<void> {
    await Promise.all([this.connectMain(), this.feedback?.inbox.open()]);
  }

  /** Publishes an event; resolves when the broker has it (M1). @throws StreambackPublishError, StreambackConnectionError */
  async emit(pattern: string, data: unknown, options: StreambackRequestOptions = {}): Promise<void> {
    const valueJson = toJson(data, `The data of '${pattern}'`);
    if (this.closed) throw closedError();
    // Answers are for requests: an event does not wait for what they come by.
    if (!this.connected) await this.holding(pattern, valueJson.length, () => this.connectMain());
    await this.publish(pattern, valueJson, newId(), undefined, options);
  }

  /** Sends a request, whose answers go to `observer`. Whatever goes wrong goes there too; nothing is thrown. */
  request(pattern: string, data: unknown, options: StreambackRequestOptions, observer: AnswerObserver): PendingRequest {
    const { timeoutMs = this.options.defaults.timeoutMs, idleTimeoutMs = this.options.defaults.idleTimeoutMs } = options;
    const deadline = Math.min(timeoutMs === undefined ? Infinity : this.now() + timeoutMs, currentCall()?.deadline ?? Infinity);
    const window = new CreditWindow(options.credit ?? this.options.defaults.credit ?? DEFAULT_CREDIT, this.budget);
    const request = new PendingRequest(
      newId(),
      pattern,
      observer.pulls ? observer : inCallerContext(observer, this.restartHook(pattern, options)),
      deadline,
      idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
      window,
      this,
    );
    this.requests.set(request.id, request);
    try {
      this.start(request, data, options);
    } catch (error) {
      request.fail(error);
    }
    return request;
  }

  /** Sends a request, whose answers are read from the lane. */
  open<Answer>(pattern: string, data: unknown, options: StreambackRequestOptions): Lane<Answer> {
    return new Lane<Answer>((observer) => this.request(pattern, data, options, observer), this.clock, this.restartHook(pattern, options));
  }

  /** Ends all requests in flight, whose handlers are told; nothing can be sent any more. */
  close(): void {
    if (this.closed) return;
    const error = new StreambackConnectionError('CLOSED', 'The client was closed while the request was in flight', {
      remedy: 'Close the client when its requests have ended.',
    });
    for (const request of [...this.requests.values()]) request.fail(error);
    this.closed = true;
    this.deadlines.close();
    this.control?.close();
  }

  now(): number {
    return this.clock.now();
  }

  onOver(request: PendingRequest, cancel: boolean): void {
    this.requests.delete(request.id);
    if (cancel && request.wasSent) this.control?.cancel(request);
  }

  onGrant(request: PendingRequest, upTo: number): void {
    this.control?.grant(request, upTo);
  }

  /** The user's callback, in the user's context; what it throws harms nobody. */
  private restartHook(pattern: string, { onRestart }: StreambackRequestOptions): ((attempt: number) => void) | undefined {
    if (!onRestart) return undefined;
    const { logger = SILENT_LOGGER } = this.options;
    const inCaller = callerContext();
    return (attempt) => {
      // An async function is a callback, too: its rejection would end the process.
      const told = async (): Promise<void> => inCaller(() => onRestart(attempt));
      told().catch((error: unknown) => logger.error(`The onRestart of '${pattern}' failed: ${String(error)}`));
    };
  }

  private onFrame(frame: Frame): void {
    if (frame.id === undefined) return;
    const request = this.requests.get(frame.id);
    if (request) request.onFrame(frame);
    else this.control?.onStrayFrame(frame.id, frame.instance);
  }

  private start(request: PendingRequest, data: unknown, options: StreambackRequestOptions): void {
    if (!this.feedback) {
      throw new StreambackConfigError('MISSING_CAPABILITY', `'${request.pattern}' cannot be sent: this connection has no feedback stream`, {
        remedy: "Add one to streams ('main=…&feedback=redis://…'), or use emit().",
      });
    }
    if (this.closed) throw closedError();
    if (request.deadline <= this.now()) {
      throw new StreambackTimeoutError('DEADLINE_EXCEEDED', `'${request.pattern}' was not sent: the outer deadline has passed`, {
        waitingFor: 'broker',
      });
    }
    const valueJson = toJson(data, `The data of '${request.pattern}'`);
    this.deadlines.watch(request);
    this.control?.watch();
    const publish = (): void => {
      if (request.isOver) return;
      request.wasSent = true;
      this.publish(request.pattern, valueJson, request.id, request, options).then(
        () => request.acknowledged(),
        (error: unknown) => request.unpublished(error),
      );
    };
    if (this.connected && this.feedback.inbox.isOpen) publish();
    else this.ready(request.pattern, valueJson.length).then(publish, (error: unknown) => request.fail(error));
  }

  /** Connects; until then a message is held, about as large as its data. */
  private async ready(pattern: string, bytes: number): Promise<void> {
    if (this.closed) throw closedError();
    await this.holding(pattern, bytes, async () => {
      await this.connect();
      await this.feedback?.inbox.open();
    });
  }

  private async holding(pattern: string, bytes: number, until: () => Promise<void>): Promise<void> {
    this.hold(pattern, bytes);
    try {
      await until();
    } finally {
      this.pending.remove(bytes);
    }
  }

  private connectMain(): Promise<void> {
    this.connecting ??= this.main.connect().then(
      () => void (this.connected = true),
      (error: unknown) => {
        this.connecting = undefined;
        throw error;
      },
    );
    return this.connecting;
  }

  private async publish(
    pattern: string,
    valueJson: string,
    id: string,
    request: PendingRequest | undefined,
    options: StreambackRequestOptions,
  ): Promise<void> {
    const topic = this.topicOf(pattern);
    const key = options.key ?? null;
    const value = encodeEnvelope(valueJson, {
      feedbackTopic: request ? feedbackTopicOf(id) : null,
      sourceGroup: this.options.group,
      id,
      ...(request && { inbox: this.feedback!.inbox.key }),
      ...(request && request.deadline !== Infinity && { deadline: request.deadline, timeoutMs: request.deadline - this.now() }),
      ...(request && { credit: request.upTo }),
    });
    const headers = encodeHeaders(options.headers);
    const bytes =
      value.length +
      (key === null ? 0 : Buffer.byteLength(key)) +
      headers.reduce((sum, [name, text]) => sum + Buffer.byteLength(name) + text.length, 0);
    if (bytes > this.options.maxMessageBytes) {
      throw new StreambackPublishError(
        'TOO_LARGE',
        `The message for '${pattern}' has ${bytes} bytes, maxMessageBytes allows ${this.options.maxMessageBytes}`,
      );
    }
    this.hold(pattern, bytes);
    try {
      await this.main.publish({ topic, key, value, headers });
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

function closedError(): StreambackConnectionError {
  return new StreambackConnectionError('CLOSED', 'The client is closed');
}

function encodeHeaders(headers: Readonly<Record<string, string>> | undefined): readonly MessageHeader[] {
  if (!headers) return NO_HEADERS;
  return Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8')]);
}

/** An observer that hears of its answers in the context that it asked in. A lane's reader awaits them there anyway. */
function inCallerContext(observer: AnswerObserver, restart: ((attempt: number) => void) | undefined): AnswerObserver {
  const inCaller = callerContext();
  return {
    ...(restart && { restart }),
    next: (value) => inCaller(() => observer.next(value)),
    error: (error) => inCaller(() => observer.error(error)),
    complete: () => inCaller(() => observer.complete()),
  };
}
