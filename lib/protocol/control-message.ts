import { StreambackMessageError } from '../common/errors';
import { isRecord, parseJson } from './json';
import { isId } from './keys';

/** The small messages from client to consumer. */
export type ControlMessage =
  /** Nobody waits for this request any more. */
  | { readonly control: 'cancel'; readonly id: string }
  /** The consumer may send frames whose `seq` is below `upTo`. Absolute, so that sending it twice is harmless. */
  | { readonly control: 'credit'; readonly id: string; readonly upTo: number };

export const encodeControl = (message: ControlMessage): string => JSON.stringify(message);

/**
 * Decodes a control message.
 * @throws StreambackMessageError MALFORMED_MESSAGE
 */
export function decodeControl(json: string): ControlMessage {
  const message = parseJson(json);
  if (isRecord(message) && isId(message.id)) {
    const { control, id, upTo } = message;
    if (control === 'cancel') return { control, id };
    if (control === 'credit' && Number.isSafeInteger(upTo) && (upTo as number) >= 0) return { control, id, upTo: upTo as number };
  }
  throw new StreambackMessageError('MALFORMED_MESSAGE', 'not a control message');
}
