import { StreambackError, StreambackMessageError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { decodeEnvelope, type Envelope } from '../protocol/envelope';
import { isDeadLetterTopic } from '../protocol/topic-name';
import type { MainStreamDelivery } from '../streams/main-stream';
import type { Answering } from './answering';
import { wasPutAside } from './dead-letter';
import type { DeadLetters } from './dead-letters';

/** So many topics are spoken of. */
const MAX_TOLD = 1_000;

/**
 * Messages that reach this process although nothing here listens to their topic, as when a main stream of one's own subscribes to
 * more: given back, they would come again for ever.
 */
export class Unheard {
  private readonly told = new Set<string>();

  constructor(
    private readonly answering: Answering,
    private readonly deadLetters: DeadLetters,
    private readonly logger: StreambackLogger,
  ) {}

  /** Tells a requester, puts aside what asks for no answer, and settles either. Never rejects. */
  async take(delivery: MainStreamDelivery): Promise<void> {
    const { message } = delivery;
    const text = `Nothing listens to '${message.topic}' in the process that got the message`;
    this.tell(message.topic, text);
    // A dead letter stays where it is: another one of it would come back here in its turn.
    if (isDeadLetterTopic(message.topic)) return delivery.settle();
    const envelope = requestOf(delivery);
    const responder =
      envelope &&
      this.answering.responderFor(envelope, { pattern: message.topic, maxBuffered: 1, run: message.rank, attempt: 1, onGone: () => {} });
    if (!responder) return this.deadLetters.bury(delivery, new StreambackMessageError('NO_LISTENER', text));
    try {
      await responder.endWithError(text, { code: 'NO_LISTENER' });
      delivery.settle();
    } catch (error) {
      this.logger.error(`A requester of '${message.topic}' could not be told that nothing listens: ${String(error)}`);
      if (error instanceof StreambackError && error.retryable) delivery.release();
      else delivery.settle();
    }
  }

  private tell(topic: string, text: string): void {
    if (this.told.has(topic) || this.told.size >= MAX_TOLD) return;
    this.told.add(topic);
    this.logger.error(`${text}: requests are answered with NO_LISTENER, all else goes to the dead letters`);
  }
}

function requestOf({ message }: MainStreamDelivery): Envelope | undefined {
  try {
    return wasPutAside(message) ? undefined : decodeEnvelope(message.value);
  } catch {
    return undefined;
  }
}
