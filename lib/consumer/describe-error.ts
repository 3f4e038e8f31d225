import { inspect } from 'node:util';
import { StreambackError } from '../common/errors';
import { reasonsOf } from './error-reasons';

/** For the log. Whatever a handler throws: JSON and String() throw on some values themselves. */
export function describeError(error: unknown): string {
  if (error instanceof StreambackError) return `${error.code}: ${error.message}`;
  return error instanceof Error
    ? (error.stack ?? error.message).replace(error.message, () => error.message + reasonsOf(error))
    : inspect(error, { depth: 3 });
}
