import type { StreambackListenerOptions } from './consumer/listener';
import type { StreambackRequestDefaults } from './producer/request-options';
import type { ScheduleOptions } from './scheduler/schedule-options';
import type { FeedbackStream } from './streams/feedback-stream';
import type { StreambackKafkaOptions } from './streams/kafka/kafka.options';
import type { MainStream } from './streams/main-stream';
import type { StreambackRedisOptions } from './streams/redis/redis.options';

/** Where messages go: for each stream a URL, or an instance of one's own. */
export interface StreambackStreams {
  readonly main: string | MainStream;
  /** Without one, messages go one way only. */
  readonly feedback?: string | FeedbackStream | undefined;
}

/** One connection: what `StreambackModule.forRoot`, `StreambackServer` and `StreambackClient` take. */
export interface StreambackOptions {
  /** The service's name: its consumer group, and the `source_group` of what it sends. `group=` in the URL wins. Required. */
  readonly group: string;
  /**
   * Where: `'main=kafka://host:9092&feedback=redis://host:6379'`, or for each stream a URL or an instance.
   * @default 'memory://', with a warning; a start error where NODE_ENV is 'production'
   */
  readonly streams?: string | StreambackStreams | undefined;
  /** The connection's name: for tokens, transport id and log lines. @default 'default' */
  readonly connection?: string | undefined;
  /** Before every topic, with a dot; `topics_prefix=` in the URL wins. @default '' */
  readonly topicsPrefix?: string | undefined;
  /** What a listener does not say. @default {} */
  readonly defaultListenerOptions?: StreambackListenerOptions | undefined;
  /** What a request does not say. @default {} */
  readonly defaultRequestOptions?: StreambackRequestDefaults | undefined;
  /** What a request of a pattern does not say, over `defaultRequestOptions`; by pattern, as given to `send`. @default {} */
  readonly requestOptions?: Readonly<Record<string, StreambackRequestDefaults>> | undefined;
  /** Listen to these patterns alone, as in one of several processes of an app. @default all */
  readonly listenOnly?: readonly string[] | undefined;
  /** How, where a stream is Kafka. @default {} */
  readonly kafka?: StreambackKafkaOptions | undefined;
  /** How, where a stream is Redis. @default {} */
  readonly redis?: StreambackRedisOptions | undefined;
  /** Largest request or event, encoded, with key and headers, in bytes. @default 1_000_000 */
  readonly maxMessageBytes?: number | undefined;
  /** Largest answer, encoded, in bytes. @default 16_000_000 */
  readonly maxAnswerBytes?: number | undefined;
  /** Deliveries in one process, waiting and running; fetching pauses beyond (M7). @default 1_000 */
  readonly maxInFlight?: number | undefined;
  /**
   * Handed over to a stream and not yet acknowledged, in bytes, for each of the two: beyond it sends are refused (BUFFER_FULL), and
   * answers wait. @default 32_000_000
   */
  readonly maxPendingBytes?: number | undefined;
  /** Longest wait for the broker's acknowledgement, retries included, in ms. @default 30_000 */
  readonly publishTimeoutMs?: number | undefined;
  /** Closing waits so long for handlers, in ms, then aborts them (M8). @default 8_000 */
  readonly drainTimeoutMs?: number | undefined;
  /** Life of the process's lease between renewals, in ms: how soon its death is noticed. More, where handlers block the event loop. @default 5_000 */
  readonly leaseMs?: number | undefined;
  /** Life of a feedback list after its last frame, and of an inbox after its last renewal, in ms (F3). @default 300_000 */
  readonly feedbackTtlMs?: number | undefined;
  /** Messages that are sent when they are due; `@CronMessage` is the other way. With `StreambackModule` alone. @default [] */
  readonly schedules?: readonly ScheduleOptions[] | undefined;
  /** Integers beyond 2^53 are read as bigint, not as the nearest number, and a bigint may be sent. @default false */
  readonly bigint?: boolean | undefined;
}

/** Gives a connection's options; see `StreambackModule.forRootAsync`. */
export interface StreambackOptionsFactory {
  createStreambackOptions(): StreambackOptions | Promise<StreambackOptions>;
}
