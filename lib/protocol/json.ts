import { isUtf8 } from 'node:buffer';
import { StreambackMessageError, StreambackPublishError } from '../common/errors';

/**
 * A value as JSON text.
 * @param what names the value in the error: `the data of 'reports.build'`
 * @throws StreambackPublishError NOT_SERIALIZABLE for a cycle, a BigInt, a function, a symbol, or a throwing `toJSON`
 */
export function toJson(value: unknown, what: string): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new StreambackPublishError('NOT_SERIALIZABLE', `${what} cannot be sent as JSON: ${reason}`, { cause });
  }
  if (json === undefined) throw new StreambackPublishError('NOT_SERIALIZABLE', `${what} cannot be sent as JSON: it is a ${typeof value}`);
  return json;
}

/**
 * The value of some bytes of JSON. Bytes that are not UTF-8 are refused, as Python refuses them, rather than replaced.
 * @throws StreambackMessageError MALFORMED_MESSAGE
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new StreambackMessageError('MALFORMED_MESSAGE', 'not UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    // V8 quotes the text in its message; what came over the wire stays out of logs.
    throw new StreambackMessageError('MALFORMED_MESSAGE', `not JSON (${bytes.length} bytes)`, { cause });
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
