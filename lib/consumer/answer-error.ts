import type { StreambackError } from '../common/errors';
import type { ErrorDetails } from '../protocol/frame';
import { isRecord } from '../protocol/json';

/** An error as its frame carries it. */
export interface AnswerError {
  /** For people, and for Python, which knows text only. */
  readonly text: string;
  readonly details: ErrorDetails;
}

/** What a requester is told of an answer that could not be sent: it gets our own typed error. */
export const refusedAnswer = (error: StreambackError): AnswerError => ({ text: error.message, details: { code: error.code } });

/**
 * What a requester is told of what a handler threw: the value that `errorValue` makes of it, which is what Nest's own transports would
 * send. No stack crosses the wire, and no error of ours: one that a nested call gave would pose as the request's own.
 */
export function answerError(error: unknown, errorValue: (error: unknown) => unknown, maxBytes: number): AnswerError {
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
