import { SILENT_LOGGER, type StreambackLogger } from '../common/logger';
import { callerContext } from '../context/call-context';
import type { AnswerObserver } from './pending-request';
import type { StreambackRequestOptions } from './request-options';

type Restarted = (attempt: number) => void;

/** The user's callback, in the user's context; what it throws harms nobody. */
export function restartHook(
  pattern: string,
  { onRestart }: StreambackRequestOptions,
  logger: StreambackLogger = SILENT_LOGGER,
): Restarted | undefined {
  if (!onRestart) return undefined;
  const inCaller = callerContext();
  return (attempt) => {
    // An async function is a callback, too: its rejection would end the process.
    const told = async (): Promise<void> => inCaller(() => onRestart(attempt));
    told().catch((error: unknown) => logger.error(`The onRestart of '${pattern}' failed: ${String(error)}`));
  };
}

/** An observer that hears of its answers in the context that it asked in. A lane's reader awaits them there anyway. */
export function inCallerContext(observer: AnswerObserver, restart: Restarted | undefined): AnswerObserver {
  const inCaller = callerContext();
  return {
    ...(restart && { restart }),
    next: (value) => inCaller(() => observer.next(value)),
    error: (error) => inCaller(() => observer.error(error)),
    complete: () => inCaller(() => observer.complete()),
  };
}
