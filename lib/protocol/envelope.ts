import { StreambackMessageError } from '../common/errors';
import { isRecord, type JsonForm, parseJson } from './json';
import { isFeedbackTopic, isId, isInbox } from './keys';

/** The largest first credit that a request may ask for, in frames. */
const MAX_CREDIT = 65_536;
/** The longest wait that a request may ask for: what a timer can hold, about 24 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** A message on the main stream, decoded. The wire names stand in docs/wire.md; the first four are Python's. */
export interface Envelope {
  /** Taken away once it is handled. */
  value: unknown;
  /** Where answers go in Python's form, and what makes a message a request; null for an event. */
  readonly feedbackTopic: string | null;
  readonly sourceGroup: string | null;
  /** Absent in what Python and foreign programs send. */
  readonly id?: string;
  /** The client's inbox; absent when the sender reads `feedbackTopic` itself. */
  readonly inbox?: string;
  /** Epoch ms, by the sender's clock, after which nobody waits any more. */
  readonly deadline?: number;
  /** The same as a duration, for clocks that differ. */
  readonly timeoutMs?: number;
  /** How many frames the consumer may be ahead of the reader at first. */
  readonly credit?: number;
  /** Of a request whose requester is gone; see {@link withoutRequester}. Not on the wire. */
  readonly wasRequest?: boolean;
}

/** What an envelope says beside its value. */
export type EnvelopeHead = Omit<Envelope, 'value' | 'sourceGroup' | 'wasRequest'> & { readonly sourceGroup: string };

/**
 * The bytes of a message.
 * @param valueJson the value, already as JSON
 */
export function encodeEnvelope(valueJson: string, head: EnvelopeHead): Buffer {
  // Put together by hand: this is the hottest line of a sender, and every part but the group is known to need no escaping.
  let json = `{"value":${valueJson},"event":"message","feedback_topic":${head.feedbackTopic === null ? 'null' : `"${head.feedbackTopic}"`},"source_group":${JSON.stringify(head.sourceGroup)}`;
  if (head.id !== undefined) json += `,"id":"${head.id}"`;
  if (head.inbox !== undefined) json += `,"inbox":"${head.inbox}"`;
  if (head.deadline !== undefined) json += `,"deadline":${head.deadline}`;
  if (head.timeoutMs !== undefined) json += `,"timeout_ms":${head.timeoutMs}`;
  if (head.credit !== undefined) json += `,"credit":${head.credit}`;
  return Buffer.from(`${json}}`, 'utf8');
}

/**
 * Decodes a message. A JSON value that is no envelope (a raw message of another program) is an event with that value, and so is a
 * null value. Numbers are clamped, unknown fields ignored.
 * @throws StreambackMessageError MALFORMED_MESSAGE, FOREIGN_FEEDBACK_KEY
 */
export function decodeEnvelope(bytes: Buffer | null, form?: JsonForm): Envelope {
  const message = bytes === null ? null : parseJson(bytes, form);
  if (!isRecord(message) || message.event !== 'message') return { value: message, feedbackTopic: null, sourceGroup: null };
  const { feedback_topic: feedbackTopic = null, source_group: sourceGroup, id, inbox } = message;
  if (feedbackTopic !== null && !isFeedbackTopic(feedbackTopic)) throw foreign('feedback_topic');
  if (inbox !== undefined && !isInbox(inbox)) throw foreign('inbox');
  return {
    value: message.value ?? null,
    feedbackTopic,
    sourceGroup: typeof sourceGroup === 'string' ? sourceGroup : null,
    id: isId(id) ? id : undefined,
    inbox: inbox as string | undefined,
    deadline: clamped(message.deadline, 0, Number.MAX_SAFE_INTEGER),
    timeoutMs: clamped(message.timeout_ms, 0, MAX_TIMEOUT_MS),
    credit: clamped(message.credit, 1, MAX_CREDIT),
  };
}

/** The same message when nobody waits any more: an event, without a deadline. */
export function withoutRequester({ value, feedbackTopic, sourceGroup, id }: Envelope): Envelope {
  return { value, feedbackTopic: null, sourceGroup, id, wasRequest: feedbackTopic !== null };
}

function foreign(field: string): StreambackMessageError {
  return new StreambackMessageError('FOREIGN_FEEDBACK_KEY', `'${field}' names a key that is not a feedback key of streamback`);
}

function clamped(value: unknown, low: number, high: number): number | undefined {
  if (typeof value !== 'number' || Number.isNaN(value)) return undefined;
  return Math.min(Math.max(Math.trunc(value), low), high);
}
