import { inspect } from 'node:util';
import { StreambackMessageError } from '../common/errors';
import { decodeEnvelope } from '../protocol/envelope';
import type { MainStreamMessage, MessageHeader, OutgoingMessage } from '../streams/main-stream';

/** What a handler threw is in the message: bounded, or the letter might be too large for its topic. */
const MAX_TEXT = 1_000;
const MAX_COUNT = 1_000_000;
const MAX_DATE = 8.64e15;

const CODE = 'streamback-code';
const MESSAGE = 'streamback-message';
const ATTEMPTS = 'streamback-attempts';
const FIRST_AT = 'streamback-first-at';
const LAST_AT = 'streamback-last-at';
const GROUP = 'streamback-group';
const TOPIC = 'streamback-topic';
const PARTITION = 'streamback-partition';
const OFFSET = 'streamback-offset';
/** How often a message was sent again; it stays when it is put aside once more. */
const REPLAYED = 'streamback-replayed';
const WHY: ReadonlySet<string> = new Set([CODE, MESSAGE, ATTEMPTS, FIRST_AT, LAST_AT, GROUP, TOPIC, PARTITION, OFFSET]);

export interface DeadLetterFacts {
  readonly error: StreambackMessageError;
  /** The group that put it aside. */
  readonly group: string;
  /** How often it was tried. */
  readonly attempts: number;
  /** Epoch ms of the first and the last try. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A message that was put aside, as `StreambackDeadLetters` shows it. */
export interface DeadLetter {
  /** Where it came from. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** The group that put it aside. */
  readonly group: string;
  readonly key: Buffer | null;
  /** Its bytes, as they were. */
  readonly value: Buffer | null;
  /** What a handler would be given; `undefined` where the bytes cannot be decoded. */
  readonly data: unknown;
  /** Those it came with, without what is told here. */
  readonly headers: readonly MessageHeader[];
  /** Why: `HANDLER_FAILED`, `MALFORMED_MESSAGE`, `FOREIGN_FEEDBACK_KEY`. */
  readonly code: string;
  readonly message: string;
  /** How often it was tried, the last time it was handled. */
  readonly attempts: number;
  readonly firstAt: Date;
  readonly lastAt: Date;
  /** How often it was replayed. */
  readonly replayed: number;
}

/** Whether it was ever put aside: nobody waits for its answers any more, whoever reads it now. */
export const wasPutAside = ({ headers }: MainStreamMessage): boolean => headers.some(([name]) => name === CODE || name === REPLAYED);

/** Why a message is put aside whose handler has failed for good. */
export function handlerFailed(pattern: string, cause: unknown, tries: number): StreambackMessageError {
  const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : inspect(cause, { depth: 1 });
  return new StreambackMessageError(
    'HANDLER_FAILED',
    `'${pattern}' failed ${tries === 1 ? `with ${why}` : `${tries} times, the last time with ${why}`}`,
    { cause },
  );
}

/** A message as it goes to the dead letters: its bytes, key and headers as they were, and headers that say why. */
export function deadLetterOf(message: MainStreamMessage, facts: DeadLetterFacts, topic: string): OutgoingMessage {
  const { error, group, attempts, firstAt, lastAt } = facts;
  const why: [name: string, value: string][] = [
    [CODE, error.code],
    [MESSAGE, error.message.slice(0, MAX_TEXT)],
    [ATTEMPTS, String(attempts)],
    [FIRST_AT, new Date(firstAt).toISOString()],
    [LAST_AT, new Date(lastAt).toISOString()],
    [GROUP, group],
    [TOPIC, message.topic],
    [PARTITION, String(message.partition)],
    [OFFSET, message.offset],
  ];
  return {
    topic,
    key: message.key,
    value: message.value,
    headers: [...message.headers.filter(([name]) => !WHY.has(name)), ...why.map(([name, value]) => header(name, value))],
    createTopic: true,
  };
}

/** What a dead letter tells; nothing where it does not tell whose it is. Whatever its headers hold, the fields are as their types say. */
export function readDeadLetter(message: MainStreamMessage): DeadLetter | undefined {
  const told = new Map(message.headers.map(([name, value]) => [name, value]));
  const text = (name: string): string => told.get(name)?.toString('utf8').slice(0, MAX_TEXT) ?? '';
  const date = (name: string): Date => {
    const time = Date.parse(text(name));
    return new Date(Number.isNaN(time) ? Math.min(message.timestamp, MAX_DATE) : time);
  };
  if (!told.has(CODE) || !told.has(GROUP) || !told.has(TOPIC)) return undefined;
  return {
    topic: text(TOPIC),
    partition: count(text(PARTITION)),
    offset: /^\d{1,19}$/.test(text(OFFSET)) ? text(OFFSET) : '0',
    group: text(GROUP),
    key: message.key,
    value: message.value,
    data: decoded(message.value),
    headers: message.headers.filter(([name]) => !WHY.has(name) && name !== REPLAYED),
    code: text(CODE),
    message: text(MESSAGE),
    attempts: count(text(ATTEMPTS)),
    firstAt: date(FIRST_AT),
    lastAt: date(LAST_AT),
    replayed: count(text(REPLAYED)),
  };
}

/** A dead letter as it is sent again: its bytes, key and headers as they were before it was put aside, and how often that was done. */
export function replayOf({ key, value, headers, replayed }: DeadLetter, topic: string): OutgoingMessage {
  return { topic, key, value, headers: [...headers, header(REPLAYED, String(Math.min(replayed + 1, MAX_COUNT)))] };
}

const header = (name: string, value: string): MessageHeader => [name, Buffer.from(value, 'utf8')];

const count = (text: string): number => (/^\d+$/.test(text) ? Math.min(Number(text), MAX_COUNT) : 0);

function decoded(value: Buffer | null): unknown {
  try {
    return decodeEnvelope(value).value;
  } catch {
    return undefined;
  }
}
