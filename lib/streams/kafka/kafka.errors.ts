import { StreambackConnectionError } from '../../common/errors';
import { redact } from '../../common/redact';

/** What a failure of kafkajs means for the one who called. */
export type KafkaFailure = 'authentication' | 'authorization' | 'unknown-topic' | 'too-large' | 'refused' | 'group-conflict' | 'transient';

/** What kafkajs' errors carry; its classes are not all exported, so they are told apart by name and type. */
interface KafkaErrorLike {
  readonly name?: string;
  readonly type?: string;
  readonly message?: string;
  readonly retriable?: boolean;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

const AUTHENTICATION_TYPES = new Set(['SASL_AUTHENTICATION_FAILED', 'UNSUPPORTED_SASL_MECHANISM', 'ILLEGAL_SASL_STATE']);
/** kafkajs says that a login failed also where its connection broke. */
const CUT_SHORT = /closed connection|connection closed|not connected|connection (error|timeout)|timed out|unreachable|is closed$/i;
const TOO_LARGE_TYPES = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
const REFUSED_TYPES = new Set([
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'INVALID_TOPIC_EXCEPTION',
  'POLICY_VIOLATION',
  'UNSUPPORTED_COMPRESSION_TYPE',
]);

const PASSING_TYPES = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'KafkaJSGroupCoordinatorNotFound',
]);

/** A broker answers, and cannot take messages for a partition: others are not concerned. */
const ONE_PARTITION_TYPES = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
]);

/** The error that began it: kafkajs wraps it once for each retrier that gave up. */
export function rootCause(error: unknown): KafkaErrorLike {
  let current = (error ?? {}) as KafkaErrorLike;
  for (let depth = 0; depth < 10; depth++) {
    const next = (current.cause ?? current.errors?.[0]) as KafkaErrorLike | undefined;
    if (!next || typeof next !== 'object' || next === current) break;
    current = next;
  }
  return current;
}

/** Sorts a failure by what may be done about it. What is not known counts as transient: trying again is bounded by its caller. */
export function classifyFailure(error: unknown): KafkaFailure {
  const { name = '', type = '', message = '' } = rootCause(error);
  if ((name === 'KafkaJSSASLAuthenticationError' && !CUT_SHORT.test(message)) || AUTHENTICATION_TYPES.has(type)) return 'authentication';
  if (type.endsWith('AUTHORIZATION_FAILED')) return 'authorization';
  // kafkajs has no metadata of a topic or a partition that it is given messages for.
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || name === 'KafkaJSMetadataNotLoaded') return 'unknown-topic';
  if (TOO_LARGE_TYPES.has(type)) return 'too-large';
  if (REFUSED_TYPES.has(type)) return 'refused';
  // Its members share no protocol with us, or it is a group of the newer kind, which Kafka 4 has.
  if (type === 'INCONSISTENT_GROUP_PROTOCOL') return 'group-conflict';
  return 'transient';
}

/** Whether it is usual for a moment, as when a broker starts. */
export function isPassing(error: unknown): boolean {
  const { type, name } = rootCause(error);
  return PASSING_TYPES.has(type ?? name ?? '');
}

export const isOfOnePartition = (error: unknown): boolean => ONE_PARTITION_TYPES.has(rootCause(error).type ?? '');

/** One line about a failure, without secrets. */
export function describeFailure(error: unknown): string {
  const { name, type, message } = rootCause(error);
  return redact(`${type ?? name ?? 'Error'}: ${message ?? 'no message'}`);
}

/**
 * The error of ours for a failure of the connection.
 * @param what what was tried, as the start of a sentence: `Connecting to Kafka at host:9092`
 */
export function toConnectionError(error: unknown, what: string): StreambackConnectionError {
  if (error instanceof StreambackConnectionError) return error;
  const message = `${what} failed: ${describeFailure(error)}`;
  switch (classifyFailure(error)) {
    case 'authentication':
      return new StreambackConnectionError('AUTHENTICATION_FAILED', message, { cause: error });
    case 'authorization':
      return new StreambackConnectionError('NOT_AUTHORIZED', message, { cause: error });
    case 'unknown-topic':
      return new StreambackConnectionError('UNKNOWN_TOPIC', message, { cause: error });
    case 'group-conflict':
      return new StreambackConnectionError('GROUP_CONFLICT', message, { cause: error });
    default:
      return new StreambackConnectionError('UNREACHABLE', message, { cause: error });
  }
}
