import { ERROR_CODES, type LaneErrorCode, type PublishErrorCode } from '../common/error-codes';
import { StreambackLaneError, StreambackPublishError } from '../common/errors';
import type { Frame } from '../protocol/frame';

/** Of a lane's own errors, those that its consumer finds out. */
const TOLD: ReadonlySet<unknown> = new Set(['OVERFLOW', 'NO_LISTENER'] satisfies LaneErrorCode[]);

/**
 * What the subscriber gets for a lane that ended with an error: the value that the handler's exception filters made, as from Nest's
 * own transports; for text alone (Python's), the form that Nest gives to text; for answers that could not be sent, or a topic without a listener, the typed error.
 */
export function remoteError(frame: Frame): unknown {
  const { details, error = 'Internal server error' } = frame;
  if (details && 'value' in details) return details.value;
  if (details && 'code' in details) {
    const { code } = details;
    if (isPublishCode(code)) return new StreambackPublishError(code, error);
    if (TOLD.has(code)) return new StreambackLaneError(code as LaneErrorCode, error);
  }
  return { status: 'error', message: error };
}

function isPublishCode(code: unknown): code is PublishErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code) && ERROR_CODES[code as PublishErrorCode].kind === 'publish';
}
