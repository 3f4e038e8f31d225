import { ERROR_CODES, type PublishErrorCode } from '../common/error-codes';
import { StreambackLaneError, StreambackPublishError } from '../common/errors';
import type { Frame } from '../protocol/frame';

/**
 * What the subscriber gets for a lane that ended with an error: the value that the handler's exception filters made, as from Nest's
 * own transports; for text alone (Python's), the form that Nest gives to text; for answers that could not be sent, the typed error.
 */
export function remoteError(frame: Frame): unknown {
  const { details, error = 'Internal server error' } = frame;
  if (details && 'value' in details) return details.value;
  if (details && 'code' in details) {
    const { code } = details;
    if (isPublishCode(code)) return new StreambackPublishError(code, error);
    if (code === 'OVERFLOW') return new StreambackLaneError(code, error);
  }
  return { status: 'error', message: error };
}

function isPublishCode(code: unknown): code is PublishErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code) && ERROR_CODES[code as PublishErrorCode].kind === 'publish';
}
