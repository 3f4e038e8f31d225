import {
  aBoolean,
  aClass,
  aCount,
  aDuration,
  aFunction,
  aName,
  anObject,
  anObjectWithout,
  anything,
  aString,
  oneOf,
  options,
  stringsByName,
  type OptionRules,
} from './common/option-rules';
import type { StreambackListenerOptions } from './consumer/listener';
import type { StreambackRetryOptions } from './consumer/retry';
import type { StreambackRequestDefaults, StreambackRequestOptions } from './producer/request-options';
import { schedules } from './scheduler/schedule-rules';
import type { StreambackOptions } from './streamback.options';
import type { StreambackKafkaOptions } from './streams/kafka/kafka.options';
import type { StreambackRedisOptions } from './streams/redis/redis.options';
import type { StreambackBatchOptions } from './transport/batch-pattern.decorator';
import type { StreambackRemoteOptions } from './transport/remote.decorator';
import { scaleOf } from './workers/scale';

const aShare = (value: unknown): string | undefined =>
  typeof value === 'number' && value >= 0 && value <= 1 ? undefined : 'a number from 0 to 1';
const aFactor = (value: unknown): string | undefined =>
  typeof value === 'number' && value >= 1 && Number.isFinite(value) ? undefined : 'a number of at least 1';
const aRetryOn = (value: unknown): string | undefined =>
  typeof value === 'function' || (Array.isArray(value) && value.every((type) => typeof type === 'function'))
    ? undefined
    : 'error classes in an array, or a function of an error';

const aListOfNames = (value: unknown, path: string): string | undefined =>
  Array.isArray(value) && value.every((each) => aName(each, path) === undefined) ? undefined : 'an array of patterns as text';

const RETRY_RULES: OptionRules<StreambackRetryOptions> = {
  times: aCount(0),
  delayMs: aDuration(0),
  backoff: aFactor,
  maxDelayMs: aDuration(0),
  jitter: aShare,
  on: aRetryOn,
};

export const LISTENER_RULES: OptionRules<StreambackListenerOptions> = {
  concurrency: aCount(1),
  order: oneOf('key', 'partition', 'none'),
  cancellable: aBoolean,
  maxBuffered: aCount(1),
  retry: options(RETRY_RULES),
  deadLetterTopic: (value, path) => (value === false ? undefined : aName(value, path) && 'a topic name, or false'),
  processes: (value, path) => void scaleOf(value, path),
};

export const BATCH_RULES: OptionRules<StreambackBatchOptions> = {
  ...LISTENER_RULES,
  size: aCount(1),
  maxWaitMs: aDuration(0),
  connection: aName,
};

export const REMOTE_RULES: OptionRules<StreambackRemoteOptions> = { ...LISTENER_RULES, name: aName, connection: aName };

/** What may be said of requests for a connection and for a pattern. */
export const REQUEST_DEFAULT_RULES: OptionRules<StreambackRequestDefaults> = {
  idleTimeoutMs: aDuration(1),
  timeoutMs: aDuration(1),
  credit: aCount(1, 65_536),
  feedback: oneOf('inbox', 'list'),
  fromGroup: aName,
};

const byPattern = (value: unknown, path: string): string | undefined => {
  const wrong = anObject(value, path);
  if (wrong !== undefined) return wrong;
  for (const [pattern, given] of Object.entries(value as object)) {
    const bad = options(REQUEST_DEFAULT_RULES)(given, `${path}.${pattern}`);
    if (bad !== undefined) return `an object of request options by pattern, and '${pattern}' is none`;
  }
  return undefined;
};

export const REQUEST_RULES: OptionRules<StreambackRequestOptions> = {
  ...REQUEST_DEFAULT_RULES,
  onRestart: aFunction,
  responseType: aClass,
  key: aString,
  headers: stringsByName,
};

const DECIDED = 'is decided by this package';
const STATIC_MEMBERSHIP = 'Static membership cannot be had: kafkajs 2 joins without a group.instance.id';

const KAFKA_RULES: OptionRules<StreambackKafkaOptions> = {
  client: anObject,
  consumer: anObjectWithout({
    groupId: `'kafka.consumer.groupId' ${DECIDED}: it is the connection's group`,
    partitionAssigners: `'kafka.consumer.partitionAssigners' ${DECIDED}`,
    allowAutoTopicCreation: "'kafka.consumer.allowAutoTopicCreation': use kafka.createTopics",
    groupInstanceId: STATIC_MEMBERSHIP,
    group_instance_id: STATIC_MEMBERSHIP,
    'group.instance.id': STATIC_MEMBERSHIP,
  }),
  producer: options<Required<StreambackKafkaOptions>['producer']>({ metadataMaxAge: aDuration(1) }),
  send: options<Required<StreambackKafkaOptions>['send']>({ acks: oneOf(-1, 0, 1), timeout: aDuration(1), compression: aCount(0, 4) }),
  createTopics: aBoolean,
  partitions: aCount(1),
  replicationFactor: aCount(1),
  fromBeginning: aBoolean,
  commitIntervalMs: aDuration(1),
  maxUncommitted: aCount(1),
  allowPlaintextSasl: aBoolean,
  partitioner: oneOf('murmur2', 'crc32'),
};

const REDIS_RULES: OptionRules<StreambackRedisOptions> = {
  client: anObjectWithout({
    keyPrefix: "'redis.client.keyPrefix' cannot be used: the keys are part of the wire format",
    autoResendUnfulfilledCommands: `'redis.client.autoResendUnfulfilledCommands' ${DECIDED}`,
    maxRetriesPerRequest: `'redis.client.maxRetriesPerRequest' ${DECIDED}`,
    enableOfflineQueue: `'redis.client.enableOfflineQueue' ${DECIDED}`,
    lazyConnect: `'redis.client.lazyConnect' ${DECIDED}`,
    enableAutoPipelining: `'redis.client.enableAutoPipelining' ${DECIDED}`,
    commandTimeout: `'redis.client.commandTimeout' ${DECIDED}`,
    blockingTimeout: `'redis.client.blockingTimeout' ${DECIDED}`,
  }),
  cluster: anObjectWithout({
    redisOptions: "'redis.cluster.redisOptions': use redis.client",
    keyPrefix: "'redis.cluster.keyPrefix' cannot be used: the keys are part of the wire format",
    lazyConnect: `'redis.cluster.lazyConnect' ${DECIDED}`,
    enableOfflineQueue: `'redis.cluster.enableOfflineQueue' ${DECIDED}`,
    enableAutoPipelining: `'redis.cluster.enableAutoPipelining' ${DECIDED}`,
    scaleReads: "'redis.cluster.scaleReads' cannot be used: a replica may be behind",
    clusterRetryStrategy: `'redis.cluster.clusterRetryStrategy' ${DECIDED}`,
  }),
};

/** What each option of a connection must be. */
export const CONNECTION_RULES: OptionRules<StreambackOptions> = {
  group: aName,
  streams: anything,
  connection: aName,
  topicsPrefix: (value, path) =>
    aString(value, path) ?? (/^[a-zA-Z0-9._-]{0,100}$/.test(value as string) ? undefined : 'at most 100 of [a-zA-Z0-9._-]'),
  defaultListenerOptions: options(LISTENER_RULES),
  defaultRequestOptions: options(REQUEST_DEFAULT_RULES),
  requestOptions: byPattern,
  listenOnly: aListOfNames,
  kafka: options(KAFKA_RULES),
  redis: options(REDIS_RULES),
  maxMessageBytes: aCount(1),
  maxAnswerBytes: aCount(1),
  maxInFlight: aCount(1),
  maxPendingBytes: aCount(1),
  publishTimeoutMs: aDuration(1),
  drainTimeoutMs: aDuration(0),
  leaseMs: aDuration(100),
  feedbackTtlMs: aDuration(1_000),
  schedules,
  bigint: aBoolean,
};
