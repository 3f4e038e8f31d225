import { StreambackConfigError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { redact } from '../common/redact';
import type { FeedbackStream } from './feedback-stream';
import { KafkaMainStream } from './kafka/kafka.main-stream';
import type { StreambackKafkaOptions } from './kafka/kafka.options';
import type { MainStream } from './main-stream';
import { MemoryFeedbackStream } from './memory/memory.feedback-stream';
import { MemoryMainStream } from './memory/memory.main-stream';
import { RedisClusterFeedbackStream } from './redis/redis.cluster-feedback-stream';
import { RedisFeedbackStream } from './redis/redis.feedback-stream';
import type { StreambackRedisOptions } from './redis/redis.options';
import { parseStreamUrl, type StreamUrl } from './streams-url';

/** What streams are made with beside their URL. */
export interface StreamSettings {
  readonly kafka: StreambackKafkaOptions;
  readonly redis: StreambackRedisOptions;
  readonly publishTimeoutMs: number;
  /** How the process is called in the broker's logs. */
  readonly clientId: string;
  readonly logger: StreambackLogger;
}

type Factory<Stream> = (url: StreamUrl, settings: StreamSettings) => Stream;

const kafka: Factory<MainStream> = (url, { kafka: options, publishTimeoutMs, clientId, logger }) =>
  new KafkaMainStream({ url, options, publishTimeoutMs, clientId, logger });
const redis: Factory<FeedbackStream> = (url, { redis: options, logger }) => new RedisFeedbackStream({ url, options, logger });
const redisCluster: Factory<FeedbackStream> = (url, { redis: options, logger }) => new RedisClusterFeedbackStream({ url, options, logger });
const memoryName = ({ hosts, path }: StreamUrl): string => [...hosts.map(({ host }) => host), path].filter((part) => part !== '').join('/');

const MAIN_STREAMS: ReadonlyMap<string, Factory<MainStream>> = new Map([
  ['kafka', kafka],
  ['kafka+ssl', kafka],
  ['memory', (url) => new MemoryMainStream(memoryName(url))],
]);

const FEEDBACK_STREAMS: ReadonlyMap<string, Factory<FeedbackStream>> = new Map([
  ['redis', redis],
  ['rediss', redis],
  ['redis+sentinel', redis],
  ['redis+cluster', redisCluster],
  ['memory', (url) => new MemoryFeedbackStream(memoryName(url))],
]);

/** The main stream of a URL. @throws StreambackConfigError INVALID_STREAMS_URL, UNKNOWN_SCHEME, PLAINTEXT_SASL */
export const resolveMainStream = (url: string, settings: StreamSettings): MainStream => resolve(url, settings, MAIN_STREAMS, 'main');

/** The feedback stream of a URL. @throws StreambackConfigError INVALID_STREAMS_URL, UNKNOWN_SCHEME */
export const resolveFeedbackStream = (url: string, settings: StreamSettings): FeedbackStream =>
  resolve(url, settings, FEEDBACK_STREAMS, 'feedback');

function resolve<Stream>(text: string, settings: StreamSettings, factories: ReadonlyMap<string, Factory<Stream>>, kind: string): Stream {
  const url = parseStreamUrl(text);
  const factory = factories.get(url.scheme);
  if (factory) return factory(url, settings);
  const known = [...factories.keys()].map((scheme) => `${scheme}://`).join(', ');
  throw new StreambackConfigError('UNKNOWN_SCHEME', `'${redact(text)}' cannot be a ${kind} stream: known are ${known}`, {
    option: `streams.${kind}`,
    remedy: `Use one of ${known}.`,
  });
}
