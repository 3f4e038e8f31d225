import { StreambackLaneError, StreambackPublishError } from '../common/errors';
import type { ErrorDetails } from '../protocol/frame';
import { isRecord } from '../protocol/json';

/** An error as its frame carries it. */
export interface AnswerError {
  /** For people, and for Python, which knows text only. */
  readonly text: string;
  readonly details: ErrorDetails;
}

/**
 * What a requester is told of an error. An answer that could not be sent is told by its code; all else by the value that
 * `errorValue` makes of it, which is what Nest's own transports would send. No stack crosses the wire.
 */
export function answerError(error: unknown, errorValue: (error: unknown) => unknown, maxBytes: number): AnswerError {
  if (error instanceof StreambackPublishError || (error instanceof StreambackLaneError && error.code === 'OVERFLOW'))
    return { text: error.message, details: { code: error.code } };
  const value = errorValue(error);
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch {
    json = undefined;
  }
  if (json === undefined)
    return { text: 'Internal server error', details: { value: { status: 'error', message: 'Internal server error' } } };
  if (json.length > maxBytes)
    return { text: `An error of ${json.length} characters, more than maxAnswerBytes allows`, details: { code: 'TOO_LARGE' } };
  const message = isRecord(value) ? value.message : value;
  return { text: typeof message === 'string' ? message : json, details: { value } };
}
