import { ClientProxy, type ReadPacket } from '@nestjs/microservices';
import { AsyncSubject, defer, Observable } from 'rxjs';
import { map } from 'rxjs/operators';
import { StreambackConfigError } from '../common/errors';
import { aName, checkOptions, invalidOption } from '../common/option-rules';
import { answersAs, type AnswerType } from '../producer/answer-type';
import type { GatherObserver, GatherResult } from '../producer/gather-request';
import type { Lane } from '../producer/lane';
import type { StreambackRequestDefaults, StreambackRequestOptions } from '../producer/request-options';
import { isFeedbackTopic } from '../protocol/keys';
import { topicOf } from '../protocol/topic-name';
import { REQUEST_DEFAULT_RULES } from '../streamback.option-rules';
import type { StreambackOptions } from '../streamback.options';
import type { StreamStatus } from '../streams/main-stream';
import { connectionOf, type StreambackConnection } from './connection';
import { gatherWish, mappedResult, type StreambackGatherOptions } from './gather-options';
import { remotePattern } from './remote-handlers';
import { statusOf } from './status';
import { built, StreambackRecord, type StreambackSendable } from './streamback.record';
import { remoteProxy, type StreambackRemote } from './streamback.remote';

/**
 * Nest's `ClientProxy` over a main stream and a feedback stream. `send` is a cold Observable of every answer; `emit` is hot and
 * completes once the broker has the event; `open` gives a lane to pull answers from.
 */
export class StreambackClient extends ClientProxy<never> {
  private readonly connection: StreambackConnection;
  private closing?: Promise<void>;

  /**
   * @param options those of `StreambackModule.forRoot`, or a connection that is shared with a server
   * @throws StreambackConfigError
   */
  constructor(options: StreambackOptions | StreambackConnection) {
    super();
    this.connection = connectionOf(options);
    this.connection.retain();
  }

  /** The connection's status, now and with each change. */
  override get status(): Observable<StreamStatus> {
    return statusOf(this.connection);
  }

  /** Connects, which sending does of itself; cached. @throws StreambackConnectionError */
  connect(): Promise<void> {
    return this.connection.producer.connect();
  }

  /** Ends what is in flight and frees everything; nothing can be sent any more. Idempotent. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      // A server may go on with the connection.
      this.connection.producer.close();
      await this.connection.release();
    })();
    return this.closing;
  }

  /** `[main, feedback]`: the drivers' own objects. */
  unwrap<T>(): T {
    return [this.connection.main.unwrap(), this.connection.feedback?.unwrap()] as T;
  }

  /** Not there: a stream has no events of its own. Use {@link status}. */
  override on(): void {}

  /**
   * A cold Observable of every answer, in order, that completes at the end frame. Unsubscribing frees everything on this side and
   * tells the handler.
   * @param pattern as given to `@MessagePattern`
   * @param data what JSON can hold, or a {@link StreambackRecord}
   * @throws (through the Observable) what the handler threw, in Nest's form; StreambackLaneError; StreambackPublishError; StreambackConnectionError;
   *   StreambackConfigError MISSING_PACKAGE for a `responseType` without class-transformer
   */
  override send<Answer = any, Data = any>(pattern: any, data: StreambackSendable<Data, Answer>): Observable<Answer> {
    if (isNil(pattern) || isNil(data)) return super.send(pattern, data);
    const given = built(data);
    const answers = new Observable<Answer>((subscriber) => {
      const packet = this.packet(pattern, given);
      const request = this.connection.producer.request(packet.route, packet.data, packet.options, subscriber);
      return () => request.close();
    });
    const type = given instanceof StreambackRecord ? (given.options.responseType as AnswerType<Answer> | undefined) : undefined;
    return type ? defer(() => answers.pipe(map(answersAs(type)))) : answers;
  }

  /**
   * Sends an event, at once, whether or not anybody subscribes; gives one `undefined` and completes once the broker has it (M1). A
   * failure is also logged, so that it is not silent where nobody subscribed.
   * @param pattern as given to `@EventPattern`
   * @param data what JSON can hold, or a {@link StreambackRecord}
   */
  override emit<Result = any, Data = any>(pattern: any, data: StreambackSendable<Data>): Observable<Result> {
    if (isNil(pattern) || isNil(data)) return super.emit(pattern, data);
    const outcome = new AsyncSubject<Result>();
    const packet = this.packet(pattern, data);
    this.connection.producer.post(packet.route, packet.data, packet.options, (failure) => {
      if (failure) {
        this.connection.logger.error(`The event '${packet.route}' was not sent: ${String(failure.error)}`);
        return outcome.error(failure.error);
      }
      outcome.next(undefined as Result);
      outcome.complete();
    });
    return outcome.asObservable();
  }

  /**
   * Sends a request whose answers are pulled: `await lane.read()`, or `for await (const answer of lane)`.
   * @param pattern as given to `@MessagePattern`
   * @throws StreambackConfigError INVALID_PATTERN for no pattern at all; all else comes with the first read
   */
  open<Answer = any, Data = any>(pattern: any, data: StreambackSendable<Data, Answer>): Lane<Answer> {
    const packet = this.packet(pattern, data);
    const lane = this.connection.producer.open<Answer>(packet.route, packet.data, packet.options);
    lane.type = packet.options.responseType as AnswerType<Answer> | undefined;
    return lane;
  }

  /**
   * Sends a request to several groups that listen to its pattern, and gives what each has answered, once: when all that were named, or as
   * many as were asked for, have come to their end, or when the time is up, which is no error. Cold; unsubscribing stops the handlers.
   * @param pattern as given to `@MessagePattern`
   * @param data what JSON can hold, or a {@link StreambackRecord}, whose `timeoutMs` and `fromGroup` are of no use here
   * @throws StreambackConfigError INVALID_OPTION
   * @throws (through the Observable) what keeps the request from being sent, INBOX_LOST; what a group fails with is in its answers
   */
  gather<Answer = any, Data = any>(
    pattern: any,
    data: StreambackSendable<Data, Answer>,
    options: StreambackGatherOptions,
  ): Observable<GatherResult<Answer>> {
    const wish = gatherWish(options);
    return new Observable<GatherResult<Answer>>((subscriber) => {
      const packet = this.packet(pattern, data);
      const { responseType } = packet.options;
      const made = responseType && answersAs<Answer>(responseType as AnswerType<Answer>);
      const observer = made ? mappedResult(subscriber, made) : (subscriber as GatherObserver);
      const request = this.connection.producer.gather(packet.route, packet.data, packet.options, wish, observer);
      return () => request.close();
    });
  }

  /**
   * The `@Remote` methods of a service: each call is a cold Observable of its answers, as {@link send} is, and errs NO_LISTENER where there
   * is no such method. It is no promise, and cannot be awaited.
   * @param name as given to `@Remote`; by default it is the service's group
   * @param options how each call is sent
   * @throws StreambackConfigError INVALID_OPTION
   */
  remote<Service extends object>(name: string, options?: StreambackRequestOptions): StreambackRemote<Service> {
    const wrong = aName(name, 'name');
    if (wrong) throw invalidOption('remote.name', `'remote.name' must be ${wrong}, not ${String(name)}`);
    const record = new StreambackRecord(undefined, options);
    return remoteProxy(name, (call) => this.send(remotePattern(name), new StreambackRecord(call, record.options)));
  }

  /**
   * Reads on the answers to a request that was sent with `feedback: 'list'`, by this or another process; by Python streamback, too, whose
   * `continue_stream` does the same. Of several who read one list each gets a part.
   * @param feedbackTopic `Lane.feedbackTopic` of the request
   * @throws StreambackConfigError INVALID_OPTION; MISSING_CAPABILITY where the feedback stream has no lists
   */
  resume<Answer = any>(feedbackTopic: string, options: StreambackRequestDefaults = {}): Lane<Answer> {
    checkOptions<StreambackRequestDefaults>(options, REQUEST_DEFAULT_RULES, 'resume');
    if (!isFeedbackTopic(feedbackTopic)) {
      throw invalidOption('feedbackTopic', `'feedbackTopic' must be one of 'streamback_feedback_…', not ${JSON.stringify(feedbackTopic)}`);
    }
    return this.connection.producer.resume<Answer>(feedbackTopic, options);
  }

  /**
   * Resolves when all that was handed over so far, events and requests, is acknowledged by the broker.
   * @throws the first failure since the last flush
   */
  flush(): Promise<void> {
    return this.connection.producer.flush();
  }

  /**
   * {@link emit} with an id of the sender's own: sent again, it is the same message. Internal, for schedules.
   * @throws StreambackPublishError, StreambackConnectionError
   */
  async emitAs<Data>(id: string, pattern: string | object, record: StreambackRecord<Data>): Promise<void> {
    const packet = this.packet(pattern, record);
    await this.connection.producer.emit(packet.route, packet.data, packet.options, id);
  }

  /** The topic that a pattern is sent to. Internal. @throws StreambackConfigError INVALID_PATTERN */
  topicOf(pattern: string | object): string {
    return topicOf(this.normalizePattern(pattern as string), this.connection.options.topicsPrefix);
  }

  /** Not used: {@link emit} goes its own, shorter way. */
  protected override dispatchEvent<T = any>(): Promise<T> {
    return Promise.resolve(undefined as T);
  }

  /** Not used: {@link send} goes its own, shorter way. */
  protected override publish(): () => void {
    return () => {};
  }

  private packet(pattern: unknown, sent: unknown): { route: string; data: unknown; options: StreambackRequestOptions } {
    if (isNil(pattern)) throw new StreambackConfigError('INVALID_PATTERN', 'A pattern must be a string or an object');
    const route = this.normalizePattern(pattern as string);
    const given = built(sent);
    const { data, options } = given instanceof StreambackRecord ? given : { data: given, options: NO_OPTIONS };
    if (!this.onDispatchHook) return { route, data, options };
    const packet: ReadPacket & { metadata?: Record<string, string> } = { pattern, data };
    this.onDispatchHook(packet);
    return { route, data, options: packet.metadata ? { ...options, headers: { ...packet.metadata, ...options.headers } } : options };
  }
}

const NO_OPTIONS: StreambackRequestOptions = {};

const isNil = (value: unknown): boolean => value === undefined || value === null;
