import { SILENT_LOGGER, type StreambackLogger } from '../common/logger';
import { callerContext } from '../context/call-context';
import type { StreambackRequestOptions } from './request-options';

/** Who takes the answers of one request; an Rx subscriber is one. */
export interface AnswerObserver {
  /** It says itself when an answer is read, by `PendingRequest.onRead`; else one is when `next` returns. */
  readonly pulls?: boolean;
  /** Asks to see a restart instead of an error: told that what comes now is of a new attempt, which begins anew. */
  restart?(attempt: number, before: number): void;
  next(value: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

type Restarted = (attempt: number) => void;

/** The user's callback, in the user's context; what it throws harms nobody. */
export function restartHook(
  pattern: string,
  { onRestart }: StreambackRequestOptions,
  logger: StreambackLogger = SILENT_LOGGER,
): Restarted | undefined {
  if (!onRestart) return undefined;
  const caller = callerContext();
  return (attempt) => {
    // An async function is a callback, too: its rejection would end the process.
    const told = async (): Promise<void> => caller.runInAsyncScope(() => onRestart(attempt));
    told().catch((error: unknown) => logger.error(`The onRestart of '${pattern}' failed: ${String(error)}`));
  };
}

/** An observer that is told of a restart rather than of an error, where somebody wants to be. */
export function tellingRestarts(observer: AnswerObserver, restart: Restarted | undefined): AnswerObserver {
  if (!restart) return observer;
  return {
    restart,
    next: (value) => observer.next(value),
    error: (error) => observer.error(error),
    complete: () => observer.complete(),
  };
}
