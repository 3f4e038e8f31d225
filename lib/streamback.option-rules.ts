import {
  aBoolean,
  aCount,
  aDuration,
  aName,
  anObject,
  anObjectWithout,
  anything,
  aString,
  oneOf,
  options,
  type OptionRules,
} from './common/option-rules';
import type { StreambackListenerOptions } from './consumer/listener';
import type { StreambackRequestOptions } from './producer/request-options';
import type { StreambackOptions } from './streamback.options';
import type { StreambackKafkaOptions } from './streams/kafka/kafka.options';
import type { StreambackRedisOptions } from './streams/redis/redis.options';

export const LISTENER_RULES: OptionRules<StreambackListenerOptions> = {
  concurrency: aCount(1),
  order: oneOf('key', 'partition', 'none'),
};

const REQUEST_DEFAULT_RULES: OptionRules<Pick<StreambackRequestOptions, 'idleTimeoutMs' | 'timeoutMs'>> = {
  idleTimeoutMs: aDuration(1),
  timeoutMs: aDuration(1),
};

export const REQUEST_RULES: OptionRules<StreambackRequestOptions> = {
  ...REQUEST_DEFAULT_RULES,
  key: aString,
  headers: (value, path) =>
    anObject(value, path) ??
    (Object.values(value as object).every((text) => typeof text === 'string') ? undefined : 'an object of strings'),
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
  kafka: options(KAFKA_RULES),
  redis: options(REDIS_RULES),
  maxMessageBytes: aCount(1),
  maxAnswerBytes: aCount(1),
  maxInFlight: aCount(1),
  publishTimeoutMs: aDuration(1),
  drainTimeoutMs: aDuration(0),
  leaseMs: aDuration(100),
  feedbackTtlMs: aDuration(1_000),
};
