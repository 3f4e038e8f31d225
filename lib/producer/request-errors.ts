import { StreambackConfigError, StreambackConnectionError } from '../common/errors';

export function closedError(): StreambackConnectionError {
  return new StreambackConnectionError('CLOSED', 'The client is closed');
}

export function noLists(what: string): StreambackConfigError {
  return new StreambackConfigError('MISSING_CAPABILITY', `${what}: the feedback stream of this connection has no lists`, {
    option: 'feedback',
    remedy: "Use a feedback stream with lists (redis://, redis+sentinel://), or leave 'feedback' at 'inbox'.",
  });
}
