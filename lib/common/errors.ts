import {
  ERROR_CODES,
  type AbortErrorCode,
  type ConfigErrorCode,
  type ConnectionErrorCode,
  type LaneErrorCode,
  type MessageErrorCode,
  type PublishErrorCode,
  type StreambackErrorCode,
  type TimeoutErrorCode,
} from './error-codes';

/** What every error may be given beside its code and message. */
export interface StreambackErrorDetails {
  /** The error beneath, if any. It stays in this process: no cause crosses the wire. */
  readonly cause?: unknown;
  /** What to do, if the code's own remedy can be bettered here. */
  readonly remedy?: string;
}

/**
 * The base of every error of this package; its classes are sorted by how far the error reaches. What a handler throws arrives as
 * from Nest's own transports, never as one of these. docs/errors.md lists all codes.
 */
export abstract class StreambackError extends Error {
  /** Says what happened; stable, unlike the message. */
  readonly code: StreambackErrorCode;
  /** The same call may succeed later. */
  readonly retryable: boolean;
  /** What to do about it. */
  readonly remedy: string;

  protected constructor(code: StreambackErrorCode, message: string, details: StreambackErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = ERROR_CODES[code].retryable;
    this.remedy = details.remedy ?? ERROR_CODES[code].remedy;
  }
}

/** The app is set up wrongly: thrown at start. */
export class StreambackConfigError extends StreambackError {
  declare readonly code: ConfigErrorCode;
  /** The path of the option at fault, such as `kafka.partitions`, where there is one. */
  readonly option: string | undefined;

  constructor(code: ConfigErrorCode, message: string, details: StreambackErrorDetails & { readonly option?: string } = {}) {
    super(code, message, details);
    this.option = details.option;
  }
}

/** A server cannot be reached or refuses: reaches everything on the connection. */
export class StreambackConnectionError extends StreambackError {
  declare readonly code: ConnectionErrorCode;

  constructor(code: ConnectionErrorCode, message: string, details?: StreambackErrorDetails) {
    super(code, message, details);
  }
}

/** One message, or one answer, could not be sent. */
export class StreambackPublishError extends StreambackError {
  declare readonly code: PublishErrorCode;

  constructor(code: PublishErrorCode, message: string, details?: StreambackErrorDetails) {
    super(code, message, details);
  }
}

/** One lane broke: the answers that it has given are good, more will not come. */
export class StreambackLaneError extends StreambackError {
  declare readonly code: LaneErrorCode | TimeoutErrorCode;

  constructor(code: LaneErrorCode | TimeoutErrorCode, message: string, details?: StreambackErrorDetails) {
    super(code, message, details);
  }
}

/** What a lane waited for when its time was up. */
export type WaitingFor = 'broker' | 'consumer' | 'first-answer' | 'next-answer';

/** A lane waited too long. */
export class StreambackTimeoutError extends StreambackLaneError {
  declare readonly code: TimeoutErrorCode;
  readonly waitingFor: WaitingFor;

  constructor(code: TimeoutErrorCode, message: string, details: StreambackErrorDetails & { readonly waitingFor: WaitingFor }) {
    super(code, message, details);
    this.waitingFor = details.waitingFor;
  }
}

/** The `reason` of a handler's `signal`: why its work is not wanted any more. */
export class StreambackAbortError extends StreambackError {
  declare readonly code: AbortErrorCode | 'DEADLINE_EXCEEDED';

  constructor(code: AbortErrorCode | 'DEADLINE_EXCEEDED', message: string, details?: StreambackErrorDetails) {
    super(code, message, details);
  }
}

/** A message that could not be handled, as its dead letter names it. */
export class StreambackMessageError extends StreambackError {
  declare readonly code: MessageErrorCode | 'NO_LISTENER';

  constructor(code: MessageErrorCode | 'NO_LISTENER', message: string, details?: StreambackErrorDetails) {
    super(code, message, details);
  }
}
