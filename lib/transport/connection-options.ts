import { checkOptions, invalidOption } from '../common/option-rules';
import { DEFAULT_LISTENER_OPTIONS, type ListenerOptions, withDefaults } from '../consumer/listener';
import type { StreambackRequestDefaults } from '../producer/request-options';
import type { ScheduleOptions } from '../scheduler/schedule-options';
import { CONNECTION_RULES } from '../streamback.option-rules';
import type { StreambackOptions, StreambackStreams } from '../streamback.options';
import { DEFAULT_CONNECTION } from '../streamback.tokens';
import { parseStreamsUrl } from '../streams/streams-url';

/** What the streams string may say is held to the same as the options. */
const URL_RULES = { group: CONNECTION_RULES.group, topics_prefix: CONNECTION_RULES.topicsPrefix };

/** A connection's options, checked and whole. */
export interface ConnectionOptions {
  readonly group: string;
  readonly connection: string;
  readonly streams: StreambackStreams;
  /** Nothing was said about streams: they are within this process. */
  readonly streamsByDefault: boolean;
  readonly topicsPrefix: string;
  readonly listeners: ListenerOptions;
  readonly requests: StreambackRequestDefaults;
  readonly requestOptions: Readonly<Record<string, StreambackRequestDefaults>>;
  /** Patterns; nothing where all are listened to. */
  readonly listenOnly: readonly string[] | undefined;
  readonly kafka: NonNullable<StreambackOptions['kafka']>;
  readonly redis: NonNullable<StreambackOptions['redis']>;
  readonly maxMessageBytes: number;
  readonly maxAnswerBytes: number;
  readonly maxInFlight: number;
  readonly maxPendingBytes: number;
  readonly publishTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly leaseMs: number;
  readonly feedbackTtlMs: number;
  readonly schedules: readonly ScheduleOptions[];
  readonly bigint: boolean;
}

/**
 * Checks a connection's options and fills in the defaults.
 * @throws StreambackConfigError INVALID_OPTION, INVALID_STREAMS_URL
 */
export function connectionOptions(given: StreambackOptions): ConnectionOptions {
  if (typeof given !== 'object' || given === null) throw invalidOption('', `The options must be an object, not ${String(given)}`);
  checkOptions<StreambackOptions>(given, CONNECTION_RULES);
  const { streams, topicsPrefix, group, byDefault } = resolveStreams(given.streams);
  checkOptions({ group, topics_prefix: topicsPrefix }, URL_RULES, 'streams');
  const chosenGroup = group ?? given.group;
  if (chosenGroup === undefined) {
    throw invalidOption('group', "'group' is required: it names the service", "Add it: { group: 'reports' }.");
  }
  return {
    group: chosenGroup,
    connection: given.connection ?? DEFAULT_CONNECTION,
    streams,
    streamsByDefault: byDefault,
    topicsPrefix: topicsPrefix ?? given.topicsPrefix ?? '',
    listeners: withDefaults(given.defaultListenerOptions ?? {}, DEFAULT_LISTENER_OPTIONS),
    requests: given.defaultRequestOptions ?? {},
    requestOptions: given.requestOptions ?? {},
    listenOnly: given.listenOnly,
    kafka: given.kafka ?? {},
    redis: given.redis ?? {},
    maxMessageBytes: given.maxMessageBytes ?? 1_000_000,
    maxAnswerBytes: given.maxAnswerBytes ?? 16_000_000,
    maxInFlight: given.maxInFlight ?? 1_000,
    maxPendingBytes: given.maxPendingBytes ?? 32_000_000,
    publishTimeoutMs: given.publishTimeoutMs ?? 30_000,
    drainTimeoutMs: given.drainTimeoutMs ?? 8_000,
    leaseMs: given.leaseMs ?? 5_000,
    feedbackTtlMs: given.feedbackTtlMs ?? 300_000,
    schedules: given.schedules ?? [],
    bigint: given.bigint ?? false,
  };
}

interface ResolvedStreams {
  readonly streams: StreambackStreams;
  readonly topicsPrefix?: string;
  readonly group?: string;
  readonly byDefault: boolean;
}

function resolveStreams(streams: StreambackOptions['streams']): ResolvedStreams {
  if (streams === undefined || streams === '') {
    if (process.env.NODE_ENV === 'production') {
      throw invalidOption(
        'streams',
        "'streams' is not set, and NODE_ENV is 'production'",
        "Set it to 'main=kafka://host:9092&feedback=redis://host:6379'; 'memory://' must be asked for in production.",
      );
    }
    return { streams: { main: 'memory://', feedback: 'memory://' }, byDefault: true };
  }
  if (typeof streams === 'string') {
    const { main, feedback, topicsPrefix, group } = parseStreamsUrl(streams);
    return { streams: { main, feedback }, topicsPrefix, group, byDefault: false };
  }
  if (
    typeof streams !== 'object' ||
    streams === null ||
    !isStream(streams.main) ||
    !(streams.feedback === undefined || isStream(streams.feedback))
  ) {
    throw invalidOption('streams', "'streams' must be a string, or { main, feedback? } of URLs or stream instances");
  }
  for (const name of Object.keys(streams)) {
    if (name !== 'main' && name !== 'feedback')
      throw invalidOption(`streams.${name}`, `There is no option 'streams.${name}'`, "Known are 'main' and 'feedback'.");
  }
  return { streams, byDefault: false };
}

function isStream(stream: unknown): boolean {
  return typeof stream === 'string' || (typeof stream === 'object' && stream !== null && 'connect' in stream && 'onStatus' in stream);
}
