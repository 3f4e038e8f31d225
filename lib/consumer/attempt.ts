import type { StreambackLogger } from '../common/logger';
import { runInCall } from '../context/call-context';
import { describeError } from './describe-error';
import type { Slot } from './key-order';
import type { Listener } from './listener';
import { pump } from './pump';
import type { Run } from './run';

/** What a handler failed with. */
export interface Failure {
  readonly error: unknown;
  /** A filter or an interceptor made answers of the error, or nothing: the run has ended all the same. */
  readonly concealed: boolean;
}

/** Told what the handler failed with, or what keeps its end from being written; nothing where neither. Must not throw. */
export type Attempted = (failed?: Failure, unanswered?: { readonly error: unknown }) => void;

/**
 * Calls the handler, and writes what it gives, the end too.
 * @param slot freed once the handler has ended and its answers only have to be stored: who waits for that handles nothing
 */
export function tryOnce(run: Run, listener: Listener, logger: StreambackLogger, tried: Attempted, slot?: Pick<Slot, 'free'>): void {
  const given = runInCall(run, call, listener, run);
  run.handler = given;
  pump(given, run, (failure) => {
    if (failure && !run.aborted) return tried({ error: failure.error, concealed: false });
    if (failure) logger.debug(`'${listener.pattern}' failed after it was aborted: ${describeError(failure.error)}`);
    if (run.aborted) return tried();
    if (run.failure !== undefined) return tried({ error: run.failure, concealed: true });
    const { responder } = run;
    if (!responder) return tried();
    run.letGo();
    responder.finish((unanswered) => tried(undefined, unanswered));
    if (responder.isGoingOut) slot?.free();
  });
}

/** {@link tryOnce} for one who waits: resolves to what the handler failed with. @throws what keeps its end from being written */
export function attempted(run: Run, listener: Listener, logger: StreambackLogger): Promise<Failure | undefined> {
  return new Promise((resolve, reject) => {
    tryOnce(run, listener, logger, (failed, unanswered) => (unanswered ? reject(unanswered.error as Error) : resolve(failed)));
  });
}

/** A handler that throws at once is one that rejects. */
function call(listener: Listener, run: Run): unknown {
  try {
    return listener.handle(run);
  } catch (error) {
    return Promise.reject(error);
  }
}
