import { backoffDelayMs } from '../common/backoff';
import type { Clock } from '../common/clock';
import { StreambackError, type StreambackMessageError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { deadLetterTopicOf } from '../protocol/topic-name';
import type { MainStream, MainStreamDelivery, OutgoingMessage } from '../streams/main-stream';
import { deadLetterOf, readDeadLetter, type DeadLetter, type DeadLetterFacts } from './dead-letter';
import type { Task } from './task';

const RETRY = { delayMs: 200, factor: 2, maxDelayMs: 2_000, jitter: 0.2 };

export interface DeadLettersOptions {
  readonly group: string;
  readonly logger: StreambackLogger;
  readonly clock: Clock;
  /** Whether a delivery is to be given back rather than waited for. */
  readonly isLeaving: (delivery: MainStreamDelivery) => boolean;
  /** Who is told of a topic's letters, if anybody. */
  readonly toldOf: (topic: string) => ((letter: DeadLetter) => void) | undefined;
}

/** Puts messages aside that cannot be handled. */
export class DeadLetters {
  constructor(
    private readonly main: MainStream,
    private readonly options: DeadLettersOptions,
  ) {}

  /** Puts a message aside that cannot be decoded, or has no listener (M6), and settles it; nothing is committed past it until that is done. Never rejects. */
  async bury(delivery: MainStreamDelivery, error: StreambackMessageError): Promise<void> {
    const { group, clock } = this.options;
    const now = clock.now();
    const letter = deadLetterOf(
      delivery.message,
      { error, group, attempts: 1, firstAt: now, lastAt: now },
      deadLetterTopicOf(delivery.message.topic),
    );
    if (await this.write(delivery, letter, error)) delivery.settle();
    else delivery.release();
  }

  /**
   * Puts a message aside whose handler has used up its tries, where its listener says so.
   * @returns whether it is done with; else it is to come again. Never rejects.
   */
  async putAside({ listener, delivery }: Task, facts: Omit<DeadLetterFacts, 'group'>, isRequest: boolean): Promise<boolean> {
    const { deadLetterTopic } = listener.options;
    const topic = deadLetterTopic ?? (isRequest ? false : deadLetterTopicOf(delivery.message.topic));
    if (topic === false) return true;
    return this.write(delivery, deadLetterOf(delivery.message, { ...facts, group: this.options.group }, topic), facts.error);
  }

  /** @returns whether it is written, or never will be */
  private async write(delivery: MainStreamDelivery, letter: OutgoingMessage, error: StreambackMessageError): Promise<boolean> {
    const { topic, partition, offset } = delivery.message;
    const { logger, clock, isLeaving } = this.options;
    // Of a topic that nobody listens to that has been said, and each of its messages comes here.
    const say = error.code === 'NO_LISTENER' ? 'debug' : 'warn';
    logger[say](`Message ${offset} of ${topic}/${partition} goes to '${letter.topic}': ${error.code}: ${error.message}`);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.main.publish(letter);
        this.tell(delivery, letter);
        return true;
      } catch (cause) {
        if (cause instanceof StreambackError && cause.code === 'TOO_LARGE') {
          // It would never go through, and must not stop the consumer; its bytes stay where they are for as long as the broker keeps them.
          logger.error(`Message ${offset} of ${topic}/${partition} is passed over: '${letter.topic}' does not take it: ${cause.message}`);
          return true;
        }
        if (attempt === 1) logger.error(`'${letter.topic}' cannot be written, trying again: ${described(cause)}`);
      }
      if (isLeaving(delivery)) return false;
      await new Promise<void>((resolve) => clock.setTimeout(resolve, backoffDelayMs(attempt, RETRY)));
    }
  }

  private tell({ message }: MainStreamDelivery, { headers }: OutgoingMessage): void {
    const tell = this.options.toldOf(message.topic);
    const letter = tell && readDeadLetter({ ...message, headers });
    if (letter) tell(letter);
  }
}

function described(cause: unknown): string {
  return cause instanceof StreambackError ? `${cause.code}: ${cause.message}. ${cause.remedy}` : String(cause);
}
