import { StreambackConfigError, StreambackConnectionError, type StreambackError } from '../../common/errors';

/** What a command's failure means where Redis does not say. */
type Fallback = 'UNREACHABLE' | 'FEEDBACK_UNWRITABLE';

// Redis puts a code before each error; ioredis' class names change between its versions, the codes do not.
// ioredis puts words of its own before what a sentinel said.
const AUTHENTICATION = /(^|Last error: |because )(WRONGPASS|NOAUTH)\b|invalid (username-)?password|AUTH.*(failed|without any password)/i;
// The second is what Redis 7.0 says of a command within a script.
const AUTHORIZATION = /^NOPERM\b|executing the script can't run this command/;
const DATABASE = /DB index|invalid DB/i;
const UNWRITABLE = /^(OOM|READONLY|MISCONF|NOREPLICAS|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY)\b/;
const NO_CLUSTER = /cluster support disabled/i;
const NODE_AWAY =
  /^(CLUSTERDOWN|TRYAGAIN|MOVED|ASK|LOADING|MASTERDOWN|UNBLOCKED)\b|^(Too many Cluster redirections|Connection is closed|Cluster is ended)|slots cache|startup nodes/;
const CUT_IN_PIPELINE = /aborted due to connection close/i;
const REPLY = /^[A-Z]{2,} /;
/** Stands before why EXEC itself was refused, rather than a command within the transaction. */
const REFUSED_EXEC = /^EXECABORT Transaction discarded because of: /;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether Redis itself answered with this error, as opposed to a connection that broke. */
export const isReplyError = (error: unknown): boolean => REPLY.test(messageOf(error));

/** A pipeline or transaction lost its connection halfway: ioredis rejects it instead of sending it again. */
export const isCutInPipeline = (error: unknown): boolean => CUT_IN_PIPELINE.test(messageOf(error));

/** A cluster's node is away, or has just handed its keys to another: the same may succeed before long. */
export const isNodeAway = (error: unknown): boolean => NODE_AWAY.test(tellingMessage(error)) || isCutInPipeline(error);

export const isNoSentinel = (error: unknown): boolean => messageOf(error).startsWith('All sentinels are unreachable');

export const isWrongType = (error: unknown): boolean => messageOf(error).startsWith('WRONGTYPE');

export const isUnknownCommand = (error: unknown): boolean => /unknown command/i.test(messageOf(error));

export const isNoScript = (error: unknown): boolean => messageOf(error).startsWith('NOSCRIPT');

export const isMissingKey = (error: unknown): boolean => /no such key/i.test(messageOf(error));

/** Trying the same again on the same server cannot succeed. */
export const isFinal = (error: StreambackError): boolean => !error.retryable;

/** `EXECABORT` says nothing by itself: the error of the command that Redis refused does; nor does a cluster of which no node serves. */
function tellingError(error: unknown): unknown {
  const { previousErrors, lastNodeError } = (error ?? {}) as { previousErrors?: readonly unknown[]; lastNodeError?: unknown };
  return previousErrors?.[0] ?? lastNodeError ?? error;
}

const tellingMessage = (error: unknown): string => messageOf(tellingError(error)).replace(REFUSED_EXEC, '');

/**
 * ioredis attaches the command to its errors, with arguments: of AUTH and HELLO that is the password, of XADD the answers. An
 * inspected cause would print them.
 */
function withoutArguments(error: unknown): unknown {
  if (typeof error === 'object' && error !== null) {
    for (const name of ['command', 'previousErrors']) Reflect.deleteProperty(error, name);
  }
  return error;
}

/** An error of ioredis or Redis as one of ours. `where` is the server's address, without secrets. */
export function toStreambackError(error: unknown, where: string, fallback: Fallback): StreambackConnectionError | StreambackConfigError {
  if (error instanceof StreambackConnectionError || error instanceof StreambackConfigError) return error;
  const cause = withoutArguments(tellingError(error));
  const message = tellingMessage(error);
  withoutArguments(error);
  if (AUTHENTICATION.test(message)) {
    return new StreambackConnectionError('AUTHENTICATION_FAILED', `Redis at ${where} refused the credentials: ${message}`, { cause });
  }
  if (AUTHORIZATION.test(message)) {
    return new StreambackConnectionError('NOT_AUTHORIZED', `Redis at ${where} does not allow it: ${message}`, { cause });
  }
  if (DATABASE.test(message)) {
    return new StreambackConfigError('INVALID_STREAMS_URL', `Redis at ${where} has no such database: ${message}`, {
      cause,
      option: 'streams',
    });
  }
  if (NO_CLUSTER.test(message)) {
    return new StreambackConfigError('INVALID_STREAMS_URL', `Redis at ${where} is not a cluster: ${message}`, {
      cause,
      option: 'streams',
      remedy: "Write it as 'redis://host:port'.",
    });
  }
  if (fallback === 'FEEDBACK_UNWRITABLE' || UNWRITABLE.test(message)) {
    return new StreambackConnectionError('FEEDBACK_UNWRITABLE', `Redis at ${where} cannot be written to: ${message}`, { cause });
  }
  return new StreambackConnectionError('UNREACHABLE', `Redis at ${where} cannot be reached: ${message}`, { cause });
}

export const closedError = (where: string): StreambackConnectionError =>
  new StreambackConnectionError('CLOSED', `The feedback stream on Redis at ${where} is closed`);
