import { SYSTEM_CLOCK, type Clock } from '../common/clock';
import { StreambackConnectionError, StreambackTimeoutError } from '../common/errors';
import { SlotMap } from '../common/slots';
import { callerContext, currentCall } from '../context/call-context';
import type { Frame } from '../protocol/frame';
import { toJson } from '../protocol/json';
import { idOfFeedbackTopic, newId } from '../protocol/keys';
import type { MainStream } from '../streams/main-stream';
import { Deadlines } from '../common/deadlines';
import { restartHook, tellingRestarts, type AnswerObserver } from './answer-observer';
import type { CreditBudget } from './credit-window';
import { acknowledgement, type Settled } from './handed-over';
import { GatherRequest, type GatherObserver, type GatherOwner, type GatherWish } from './gather-request';
import { Lane } from './lane';
import { ListFinder } from './list-finder';
import { ListReading } from './list-reading';
import { PendingRequest } from './pending-request';
import type { ProducerFeedback, ProducerOptions } from './producer-options';
import { Outbox } from './outbox';
import { RemoteControl } from './remote-control';
import { RequestDefaults } from './request-defaults';
import { clientClosed, noFeedback, noLists } from './request-errors';
import { DEFAULT_CREDIT, DEFAULT_IDLE_TIMEOUT_MS, type StreambackRequestDefaults, type StreambackRequestOptions } from './request-options';

/** What the grown windows of all lanes may stand for. */
const CREDIT_BUDGET_BYTES = 32_000_000;

/** The sending half of a connection: publishes events and requests, and routes frames to the requests in flight. */
export class Producer implements GatherOwner {
  private readonly requests = new SlotMap<PendingRequest>();
  private readonly deadlines: Deadlines;
  private readonly clock: Clock;
  private readonly outbox: Outbox;
  private readonly defaults: RequestDefaults;
  private readonly control?: RemoteControl;
  private readonly lists?: ListReading;
  private readonly finder?: ListFinder;
  readonly budget: CreditBudget = { bytes: CREDIT_BUDGET_BYTES };
  private resumed = 0;

  /** @param feedback what answers come by; without it only events can be sent */
  constructor(
    main: MainStream,
    private readonly feedback: ProducerFeedback | undefined,
    private readonly options: ProducerOptions,
  ) {
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.deadlines = new Deadlines(this.requests, this.clock);
    this.outbox = new Outbox(main, feedback?.inbox, options, this.clock);
    this.defaults = new RequestDefaults(options.defaults, options.requestOptions);
    if (!feedback) return;
    if (feedback.stream.capabilities.lists) {
      this.lists = new ListReading(feedback.stream, options.json);
      this.finder = new ListFinder(this.requests, feedback.stream, this.clock, (request) => this.readList(request));
    }
    this.control = new RemoteControl(this.requests, feedback.stream, feedback.writer, options, this.clock);
    feedback.inbox.receive({
      onFrame: (frame) => this.onFrame(frame),
      onLost: (error) => {
        for (const request of this.requests.values()) if (request.feedback === 'inbox') request.fail(error);
      },
    });
  }

  /** Connects what sending needs; cached, and tried again after a failure. @throws StreambackConnectionError */
  async connect(): Promise<void> {
    await this.outbox.connect();
  }

  /** Resolves when all that was handed over is acknowledged. @throws the first failure since the last flush */
  flush(): Promise<void> {
    return this.outbox.flush();
  }

  /**
   * Publishes an event; resolves when the broker has it (M1).
   * @param id its id, where it may be sent again as the same message
   * @throws StreambackPublishError, StreambackConnectionError
   */
  emit(pattern: string, data: unknown, options: StreambackRequestOptions = {}, id = newId()): Promise<void> {
    return acknowledgement((settled) => this.post(pattern, data, options, settled, id));
  }

  /** {@link emit} for the many: tells `settled`, and makes no promise. */
  post(pattern: string, data: unknown, options: StreambackRequestOptions, settled: Settled, id = newId()): void {
    this.outbox.event(pattern, data, options, settled, id);
  }

  /** Sends a request, whose answers go to `observer`. Whatever goes wrong goes there too; nothing is thrown. */
  request(pattern: string, data: unknown, options: StreambackRequestOptions, observer: AnswerObserver): PendingRequest {
    const defaults = this.defaults.of(pattern);
    const { timeoutMs = defaults.timeoutMs, feedback: chosen = defaults.feedback } = options;
    const deadline = Math.min(timeoutMs === undefined ? Infinity : this.now() + timeoutMs, currentCall()?.deadline ?? Infinity);
    const feedback = chosen ?? (this.finder?.isKnown(pattern) ? 'list' : 'inbox');
    const request = new PendingRequest(
      newId(),
      pattern,
      observer.pulls ? observer : tellingRestarts(observer, restartHook(pattern, options, this.options.logger)),
      deadline,
      options.idleTimeoutMs ?? defaults.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
      options.credit ?? defaults.credit ?? DEFAULT_CREDIT,
      this,
      {
        feedback,
        isChosen: chosen !== undefined,
        fromGroup: options.fromGroup ?? defaults.fromGroup,
        waitsToBeRead: chosen === 'list' && observer.pulls === true,
        within: observer.pulls ? undefined : callerContext(),
      },
    );
    return this.begin(request, data, options);
  }

  /** Sends a request to several groups, whose answers go to `observer` together. Whatever goes wrong goes there too; nothing is thrown. */
  gather(pattern: string, data: unknown, options: StreambackRequestOptions, wish: GatherWish, observer: GatherObserver): PendingRequest {
    const defaults = this.defaults.of(pattern);
    const { feedback: chosen = defaults.feedback } = options;
    const request = new GatherRequest(pattern, wish, observer as AnswerObserver, {
      within: callerContext(),
      owner: this,
      deadline: Math.min(this.now() + wish.timeoutMs, currentCall()?.deadline ?? Infinity),
      idleTimeoutMs: options.idleTimeoutMs ?? defaults.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
      credit: options.credit ?? defaults.credit ?? DEFAULT_CREDIT,
      feedback: chosen ?? (this.finder?.isKnown(pattern) ? 'list' : 'inbox'),
      isChosen: chosen !== undefined,
    });
    return this.begin(request, data, options);
  }

  /** Sends a request, whose answers are read from the lane. */
  open<Answer>(pattern: string, data: unknown, options: StreambackRequestOptions): Lane<Answer> {
    return new Lane<Answer>(
      (observer) => this.request(pattern, data, options, observer),
      this.clock,
      restartHook(pattern, options, this.options.logger),
    );
  }

  /**
   * Reads the answers to a request by list on, that this or another process has sent.
   * @throws StreambackConfigError MISSING_CAPABILITY
   */
  resume<Answer>(feedbackTopic: string, options: StreambackRequestDefaults = {}): Lane<Answer> {
    if (!this.lists) throw noLists(`'${feedbackTopic}' cannot be resumed`);
    const { defaults } = this.options;
    const { timeoutMs = defaults.timeoutMs, idleTimeoutMs = defaults.idleTimeoutMs } = options;
    const open = (observer: AnswerObserver): PendingRequest => {
      const request = new PendingRequest(
        idOfFeedbackTopic(feedbackTopic),
        feedbackTopic,
        observer,
        timeoutMs === undefined ? Infinity : this.now() + timeoutMs,
        idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
        options.credit ?? defaults.credit ?? DEFAULT_CREDIT,
        this,
        { feedback: 'list', isChosen: true, fromGroup: options.fromGroup ?? defaults.fromGroup, midway: true, waitsToBeRead: true },
        // Its sender may be this process, and read it as well.
        `${feedbackTopic} resumed ${this.resumed++}`,
      );
      request.wasSent = true;
      request.acknowledged();
      return request;
    };
    return new Lane<Answer>(open, this.clock);
  }

  /** Ends all requests in flight, whose handlers are told. @param why the end of a sentence */
  endRequests(why: string): void {
    const remedy = 'Close the client when its requests have ended.';
    const error = new StreambackConnectionError('CLOSED', `The request was ended in flight: ${why}`, { remedy });
    for (const request of this.requests.values()) request.fail(error);
  }

  /** Ends all requests in flight; nothing can be sent any more. */
  close(): void {
    if (this.outbox.isClosed) return;
    this.endRequests('the client was closed');
    this.outbox.close();
    this.deadlines.close();
    this.control?.close();
    this.finder?.close();
  }

  now(): number {
    return this.clock.now();
  }

  onOver(request: PendingRequest, cancel: boolean): void {
    this.requests.delete(request.key);
    if (request.feedback === 'list') this.lists?.end(request);
    this.finder?.onOver(request);
    if (request.wasSent) this.control?.cancel(request, !cancel);
  }

  onGrant(request: PendingRequest, upTo: number): void {
    this.control?.grant(request, upTo);
  }

  onListen(request: PendingRequest): void {
    if (this.outbox.isClosed) return request.fail(clientClosed());
    this.requests.set(request.key, request);
    this.deadlines.watch(request);
    this.control?.watch();
    this.readList(request);
  }

  onPart(part: PendingRequest): void {
    this.requests.set(part.key, part);
    this.deadlines.watch(part);
  }

  onUnwanted(frame: Frame): void {
    this.control?.onStrayFrame(frame);
  }

  onRoom(request: PendingRequest): void {
    // Its idle timeout counts again.
    this.deadlines.watch(request);
    this.lists?.begin(request);
  }

  private readList(request: PendingRequest): void {
    request.feedback = 'list';
    this.lists!.begin(request);
  }

  private onFrame(frame: Frame): void {
    if (frame.id === undefined) return;
    const request = this.requests.get(frame.id);
    if (request) request.onFrame(frame);
    else this.control?.onStrayFrame(frame);
  }

  private begin(request: PendingRequest, data: unknown, options: StreambackRequestOptions): PendingRequest {
    try {
      this.start(request, data, options);
    } catch (error) {
      request.fail(error);
    }
    return request;
  }

  private start(request: PendingRequest, data: unknown, options: StreambackRequestOptions): void {
    if (!this.feedback) throw noFeedback(request.pattern);
    if (this.outbox.isClosed) throw clientClosed();
    const byList = request.feedback === 'list';
    if (byList && !this.lists) throw noLists(`'${request.pattern}' cannot be sent with feedback: 'list'`);
    if (request.deadline <= this.now()) {
      throw new StreambackTimeoutError('DEADLINE_EXCEEDED', `'${request.pattern}' was not sent: the outer deadline has passed`, {
        waitingFor: 'broker',
      });
    }
    const valueJson = toJson(data, `The data of '${request.pattern}'`, this.options.json);
    if (request.isListening) {
      this.requests.set(request.key, request);
      this.deadlines.watch(request);
      this.control?.watch();
      if (byList) this.lists!.begin(request);
      else this.finder?.watch();
    }
    this.outbox.request(request, valueJson, options);
  }
}
