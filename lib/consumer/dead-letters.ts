import { backoffDelayMs } from '../common/backoff';
import type { Clock } from '../common/clock';
import { StreambackError, type StreambackMessageError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import type { MainStream, MainStreamDelivery } from '../streams/main-stream';
import { deadLetterOf } from './dead-letter';

const RETRY = { delayMs: 200, factor: 2, maxDelayMs: 5_000, jitter: 0.2 };

/** Puts messages aside that cannot be handled. */
export class DeadLetters {
  /** @param isLeaving whether a delivery is to be given back rather than waited for */
  constructor(
    private readonly main: MainStream,
    private readonly logger: StreambackLogger,
    private readonly clock: Clock,
    private readonly isLeaving: (delivery: MainStreamDelivery) => boolean,
  ) {}

  /** Puts a message aside that cannot be decoded (M6), and settles it; nothing is committed past it until that is done. Never rejects. */
  async bury(delivery: MainStreamDelivery, error: StreambackMessageError): Promise<void> {
    const { topic, partition, offset } = delivery.message;
    const now = this.clock.now();
    const letter = deadLetterOf(delivery.message, { error, attempts: 1, firstAt: now, lastAt: now });
    this.logger.warn(`Message ${offset} of ${topic}/${partition} goes to '${letter.topic}': ${error.code}: ${error.message}`);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.main.publish(letter);
        return delivery.settle();
      } catch (cause) {
        if (cause instanceof StreambackError && cause.code === 'TOO_LARGE') {
          // It would never go through, and must not stop the consumer; its bytes stay where they are for as long as the broker keeps them.
          this.logger.error(
            `Message ${offset} of ${topic}/${partition} is passed over: '${letter.topic}' does not take it: ${cause.message}`,
          );
          return delivery.settle();
        }
        if (attempt === 1) this.logger.error(`'${letter.topic}' cannot be written, trying again: ${String(cause)}`);
      }
      if (this.isLeaving(delivery)) return delivery.release();
      await new Promise<void>((resolve) => this.clock.setTimeout(resolve, backoffDelayMs(attempt, RETRY)));
    }
  }
}
