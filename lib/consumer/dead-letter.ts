import type { StreambackMessageError } from '../common/errors';
import type { MainStreamMessage, MessageHeader, OutgoingMessage } from '../streams/main-stream';

export interface DeadLetterFacts {
  readonly error: StreambackMessageError;
  /** How often it was tried. */
  readonly attempts: number;
  /** Epoch ms of the first and the last try. */
  readonly firstAt: number;
  readonly lastAt: number;
}

const CODE = 'streamback-code';

/** Whether a message was put aside: nobody waits for its answers any more, whoever reads it now. */
export const isDeadLetter = ({ headers }: MainStreamMessage): boolean => headers.some(([name]) => name === CODE);

/** A message as it goes to the dead letters: its bytes, key and headers as they were, and headers that say why. */
export function deadLetterOf(message: MainStreamMessage, facts: DeadLetterFacts, topic: string): OutgoingMessage {
  const { error, attempts, firstAt, lastAt } = facts;
  const why: Record<string, string> = {
    [CODE]: error.code,
    'streamback-message': error.message,
    'streamback-attempts': String(attempts),
    'streamback-first-at': new Date(firstAt).toISOString(),
    'streamback-last-at': new Date(lastAt).toISOString(),
    'streamback-topic': message.topic,
    'streamback-partition': String(message.partition),
    'streamback-offset': message.offset,
  };
  const added: MessageHeader[] = Object.entries(why).map(([name, value]) => [name, Buffer.from(value, 'utf8')]);
  return {
    topic,
    key: message.key,
    value: message.value,
    headers: [...message.headers.filter(([name]) => !Object.hasOwn(why, name)), ...added],
  };
}
