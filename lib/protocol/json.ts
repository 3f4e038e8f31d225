import { isAscii, isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { StreambackMessageError, StreambackPublishError } from '../common/errors';
import { mapBareTokens } from './json-tokens';

/** How JSON is read, and what may be written as JSON. */
export interface JsonForm {
  /** Integers beyond 2^53 are bigint, rather than the nearest number; a bigint is written as an integer, rather than refused. */
  readonly bigint: boolean;
  /** Told that something came that is JSON but for `NaN` or `Infinity`, as Python writes it: they are read as null. */
  readonly onNotFinite?: () => void;
}

export const PLAIN_JSON: JsonForm = { bigint: false };

/** What stands for a bigint in between: nobody outside can know it. */
const BIGINT_MARK = `bigint ${randomUUID()} `;
const MARKED_BIGINT = new RegExp(`"${BIGINT_MARK}(-?\\d+)"`, 'g');
/** Shorter integers are exact as numbers. */
const LONG_INTEGER = /\d{16}/;
const INTEGER = /^-?\d+$/;

/**
 * A value as JSON text.
 * @param what names the value in the error: `the data of 'reports.build'`
 * @throws StreambackPublishError NOT_SERIALIZABLE for a cycle, a function, a symbol, or a throwing `toJSON`; for a BigInt, unless `form` has it
 */
export function toJson(value: unknown, what: string, { bigint }: JsonForm = PLAIN_JSON): string {
  let json: string | undefined;
  try {
    json = bigint ? JSON.stringify(value, markBigint) : JSON.stringify(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new StreambackPublishError('NOT_SERIALIZABLE', `${what} cannot be sent as JSON: ${reason}`, { cause });
  }
  if (json === undefined)
    throw new StreambackPublishError(
      'NOT_SERIALIZABLE',
      `${what} cannot be sent as JSON: it is ${value === undefined ? 'undefined' : `a ${typeof value}`}`,
    );
  return bigint && json.includes(BIGINT_MARK) ? json.replace(MARKED_BIGINT, '$1') : json;
}

/**
 * The text of some bytes. What is not UTF-8 is refused, as Python refuses it, rather than replaced.
 * @throws StreambackMessageError MALFORMED_MESSAGE
 */
export function textOf(bytes: Buffer): string {
  // Most JSON is ASCII, which is copied rather than decoded.
  if (isAscii(bytes)) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw new StreambackMessageError('MALFORMED_MESSAGE', 'not UTF-8');
  return bytes.toString('utf8');
}

/**
 * The value of some JSON. Python's `NaN` and `Infinity` are null.
 * @throws StreambackMessageError MALFORMED_MESSAGE
 */
export function parseJson(json: string | Buffer, form: JsonForm = PLAIN_JSON): unknown {
  const text = typeof json === 'string' ? json : textOf(json);
  try {
    return form.bigint && LONG_INTEGER.test(text) ? parseLeniently(text, form) : JSON.parse(text);
  } catch (cause) {
    try {
      // Only here, so that what everybody else writes pays nothing for it.
      if (text.includes('NaN') || text.includes('Infinity')) return parseLeniently(text, form);
    } catch {
      // It is no JSON for another reason.
    }
    // V8 quotes the text in its message; what came over the wire stays out of logs.
    throw new StreambackMessageError('MALFORMED_MESSAGE', `not JSON (${text.length} characters)`, { cause });
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseLeniently(text: string, { bigint, onNotFinite }: JsonForm): unknown {
  let notFinite = false;
  const strict = mapBareTokens(text, (token) => {
    if (/[NI]/.test(token)) {
      notFinite = true;
      return 'null';
    }
    return bigint && INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${BIGINT_MARK}${token}"` : token;
  });
  const value: unknown = bigint ? JSON.parse(strict, unmarkBigint) : JSON.parse(strict);
  if (notFinite) onNotFinite?.();
  return value;
}

function markBigint(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? BIGINT_MARK + String(value) : value;
}

function unmarkBigint(_name: string, value: unknown): unknown {
  return typeof value === 'string' && value.startsWith(BIGINT_MARK) ? BigInt(value.slice(BIGINT_MARK.length)) : value;
}
