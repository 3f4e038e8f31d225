import type { StreambackAbortError } from '../common/errors';
import type { ConsumeResult, ConsumeRetry } from './hooks';
import type { TopicPartition } from '../streams/main-stream';

/** Whom a consumer tells of the messages of one listener. What nobody wants to hear of is not there, and costs nothing. */
export interface ListenerHooks<Run, Letter> {
  /** Awaited. */
  readonly begin?: ((run: Run) => Promise<void> | undefined) | undefined;
  /** Awaited. */
  readonly end?: ((run: Run, result: ConsumeResult) => Promise<void> | undefined) | undefined;
  readonly error?: ((run: Run, error: unknown) => void) | undefined;
  readonly retry?: ((run: Run, retry: ConsumeRetry) => void) | undefined;
  readonly cancel?: ((run: Run, reason: StreambackAbortError) => void) | undefined;
  readonly deadLetter?: ((letter: Letter) => void) | undefined;
}

/** Whom it tells of what belongs to no listener. */
export interface ConnectionHooks<Letter> {
  readonly rebalance?: ((change: { assigned: readonly TopicPartition[]; revoked: readonly TopicPartition[] }) => void) | undefined;
  /** Of a message that nothing listens to. */
  readonly deadLetter?: ((letter: Letter) => void) | undefined;
}
