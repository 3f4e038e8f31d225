import {
  StreambackConfigError,
  StreambackConnectionError,
  StreambackLaneError,
  StreambackTimeoutError,
  type WaitingFor,
} from '../common/errors';

/** What a timeout says, and what to do about it, by what was waited for. */
const WAITED: Record<WaitingFor, { readonly text: string; readonly remedy: string }> = {
  broker: {
    text: 'the broker to acknowledge the request',
    remedy: 'See whether Kafka and Redis answer, which StreambackHealth tells, and whether the topic exists; or raise the timeout.',
  },
  consumer: {
    text: 'a consumer to take the request',
    remedy:
      'See whether a service with a handler for the pattern runs, is connected (connectMicroservice), and keeps up; or raise the timeout.',
  },
  'first-answer': { text: 'the first answer', remedy: 'The handler runs: raise the timeout, or see what it waits for.' },
  'next-answer': { text: 'the next answer', remedy: 'The handler runs: raise the timeout, or have it answer more often.' },
};

/** What else is to be said of a timeout. */
export interface TimeoutNote {
  readonly text: string;
  /** Instead of the usual one. */
  readonly remedy?: string;
}

const NOTHING_MORE: TimeoutNote = { text: '' };

/** The request was answered, by a group that `fromGroup` does not name. */
export const answersDropped = (group: string | null, fromGroup: string | undefined): TimeoutNote => ({
  text: `; answers of '${String(group)}' were dropped, 'fromGroup' is '${String(fromGroup)}'`,
  remedy: "Correct the option 'fromGroup', or see whether a service of that group runs and has a handler for the pattern.",
});

export function deadlineExceeded(pattern: string, waitingFor: WaitingFor, note: TimeoutNote = NOTHING_MORE): StreambackTimeoutError {
  const { text, remedy } = WAITED[waitingFor];
  const message = `'${pattern}' ran out of time waiting for ${text}${note.text}`;
  return new StreambackTimeoutError('DEADLINE_EXCEEDED', message, { waitingFor, remedy: note.remedy ?? remedy });
}

export function idleTimeout(
  pattern: string,
  waitingFor: WaitingFor,
  idleTimeoutMs: number,
  note: TimeoutNote = NOTHING_MORE,
): StreambackTimeoutError {
  const { text, remedy } = WAITED[waitingFor];
  const message = `'${pattern}' waited ${idleTimeoutMs} ms for ${text}${note.text}`;
  return new StreambackTimeoutError('IDLE_TIMEOUT', message, { waitingFor, remedy: note.remedy ?? remedy });
}

export const uncertain = (pattern: string): StreambackLaneError =>
  new StreambackLaneError('FEEDBACK_UNCERTAIN', `The connection was cut while answers of '${pattern}' were being taken`);

export const clientClosed = (): StreambackConnectionError => new StreambackConnectionError('CLOSED', 'The client is closed');

export const noFeedback = (pattern: string): StreambackConfigError =>
  new StreambackConfigError('MISSING_CAPABILITY', `'${pattern}' cannot be sent: this connection has no feedback stream`, {
    remedy: "Add one to streams ('main=…&feedback=redis://…'), or use emit().",
  });

/** @param what what was tried, as the start of a sentence */
export const noLists = (what: string): StreambackConfigError =>
  new StreambackConfigError('MISSING_CAPABILITY', `${what}: the feedback stream of this connection has no lists`, {
    option: 'feedback',
    remedy: "Use a feedback stream with lists (redis://, redis+sentinel://), or leave 'feedback' at 'inbox'.",
  });
