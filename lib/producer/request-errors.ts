import {
  StreambackConfigError,
  StreambackConnectionError,
  StreambackLaneError,
  StreambackTimeoutError,
  type WaitingFor,
} from '../common/errors';

const TIMEOUT_TEXT: Record<WaitingFor, string> = {
  broker: 'the broker to acknowledge the request',
  consumer: 'a consumer to take the request',
  'first-answer': 'the first answer',
  'next-answer': 'the next answer',
};

/** @param more what else is to be said */
export const deadlineExceeded = (pattern: string, waitingFor: WaitingFor, more: string): StreambackTimeoutError =>
  new StreambackTimeoutError('DEADLINE_EXCEEDED', `'${pattern}' ran out of time waiting for ${TIMEOUT_TEXT[waitingFor]}${more}`, {
    waitingFor,
  });

/** @param more what else is to be said */
export const idleTimeout = (pattern: string, waitingFor: WaitingFor, idleTimeoutMs: number, more: string): StreambackTimeoutError =>
  new StreambackTimeoutError('IDLE_TIMEOUT', `'${pattern}' waited ${idleTimeoutMs} ms for ${TIMEOUT_TEXT[waitingFor]}${more}`, {
    waitingFor,
  });

export const uncertain = (pattern: string): StreambackLaneError =>
  new StreambackLaneError('FEEDBACK_UNCERTAIN', `The connection was cut while answers of '${pattern}' were being taken`);

export const clientClosed = (): StreambackConnectionError => new StreambackConnectionError('CLOSED', 'The client is closed');

/** @param what what was tried, as the start of a sentence */
export const noLists = (what: string): StreambackConfigError =>
  new StreambackConfigError('MISSING_CAPABILITY', `${what}: the feedback stream of this connection has no lists`, {
    option: 'feedback',
    remedy: "Use a feedback stream with lists (redis://, redis+sentinel://), or leave 'feedback' at 'inbox'.",
  });
