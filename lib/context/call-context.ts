import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';

/** What the handling of one message carries along, whatever it calls. */
export interface CallContext {
  /** Epoch ms after which nobody waits for the answer; Infinity without a deadline. A nested request inherits it (F7). */
  readonly deadline: number;
  /** Nothing while there is room for a further answer, else a promise of room: what slows a pulling handler (F5). */
  room(): Promise<void> | undefined;
  /** Told of work that was torn down and ends later: a generator that awaits something goes on until that has come. */
  lingers?(work: Promise<unknown>): void;
  /**
   * Told the error as the handler threw it, before exception filters make something else of it.
   * @param by the handler
   */
  noteFailure(error: unknown, by?: unknown): void;
  /** Told what an exception filter was given: it may come of a pipe, a guard or an interceptor, and not of a handler. */
  noteRefusal(error: unknown): void;
  /** Told that a handler has succeeded, which an interceptor may have called again after it failed. */
  noteSuccess(by: unknown): void;
}

const storage = new AsyncLocalStorage<CallContext>();

/** The message that is being handled here, if any. */
export const currentCall = (): CallContext | undefined => storage.getStore();

/**
 * Calls `work` as part of the handling of a message: in a resource of its own, so that what it enters by `enterWith` of another storage is
 * not the context of the next message, nor of whoever called.
 */
export const runInCall = <Args extends unknown[], Result>(context: CallContext, work: (...args: Args) => Result, ...args: Args): Result =>
  new AsyncResource('StreambackCall').runInAsyncScope(enter<Args, Result>, undefined, context, work, args);

function enter<Args extends unknown[], Result>(context: CallContext, work: (...args: Args) => Result, args: Args): Result {
  storage.enterWith(context);
  return work(...args);
}

/** Where somebody has called from. */
export type CallerContext = Pick<AsyncResource, 'runInAsyncScope'>;

/**
 * Runs later work as if it were called here: what arrives over a socket would else run in the context in which that socket was
 * opened, with another message's deadline and another request's storage.
 */
export const callerContext = (): CallerContext => new AsyncResource('StreambackRequest');

const outside = new AsyncResource('Streamback');

/** Runs what goes on for many: in the context of nobody, whoever has caused it. */
export const outsideOfCalls = <Result>(work: () => Result): Result => outside.runInAsyncScope(work);
