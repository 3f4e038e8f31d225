import { isObservable, type Observable } from 'rxjs';
import { isThenable } from '../common/thenable';
import { runInCall } from '../context/call-context';
import { fromSource, isSource } from './answers';
import type { Run } from './run';

/** Told once that all is handed to the responder, or that it was aborted; or of what was thrown. Must not throw. */
export type Pumped = (failure?: { readonly error: unknown }) => void;

/**
 * Writes what a handler gave, answer by answer. An abort of the run tears the source down and ends it too. Nest's own `Server.send` does
 * neither: it queues without bound and throws its subscription away.
 * @param pumped told what the source throws, or what {@link Responder.write} does. A callback, as every message has one, and in the
 *   context of the caller, whatever the handler runs in
 */
export function pump(given: unknown, run: Run, pumped: Pumped): void {
  try {
    if (isThenable(given) || isSource(given) || isObservable(given)) return pumpLater(given, run, pumped);
    // One answer, at once: what else a pump has to wait for costs more than all of its handling.
    write(given, run);
  } catch (error) {
    return pumped({ error });
  }
  pumped();
}

function pumpLater(given: unknown, run: Run, pumped: Pumped): void {
  let over = false;
  const finish: Pumped = (failure) => {
    if (over) return;
    over = true;
    run.offAbort(end);
    pumped(failure);
  };
  const done = (): void => finish();
  // A handler that does not look at its signal is not waited for; what else the abort tears down says first what goes on.
  const end = (): void => queueMicrotask(done);
  const fail = (error: unknown): void => finish({ error });
  const take = (result: unknown): void => {
    let pouring: Promise<void> | undefined;
    try {
      pouring = pourResult(result, run, run);
    } catch (error) {
      return fail(error);
    }
    if (pouring) pouring.then(done, fail);
    else finish();
  };
  run.onAbort(end);
  if (given instanceof Promise) given.then(take, fail);
  // What somebody else has made thenable may throw, and does its work when it is asked: in the context of the call.
  else if (isThenable(given)) runInCall(run, () => Promise.resolve(given)).then(take, fail);
  else take(given);
}

/** What slows a source: room for answers, and a source among its elements that is written first. */
type Gate = Pick<Run, 'room' | 'nested' | 'lingers'>;

const innerGate = (run: Run): Gate => ({
  nested: undefined,
  lingers: (work) => run.lingers(work),
  room() {
    return this.nested ?? run.responder?.room();
  },
});

async function pour(given: unknown, run: Run, gate: Gate): Promise<void> {
  await pourResult(await given, run, gate);
}

/** @returns nothing where all is written already */
function pourResult(result: unknown, run: Run, gate: Gate): Promise<void> | undefined {
  if (run.aborted) {
    dispose(result, run);
    return undefined;
  }
  if (isObservable(result)) return pumpObservable(result, run, gate);
  if (isSource(result)) return pumpObservable(fromSource(result, gate), run, gate);
  write(result, run);
  return undefined;
}

/** What a handler gave too late is ended without being asked for anything. */
function dispose(result: unknown, run: Run): void {
  if (isSource(result))
    fromSource(result, { room: () => new Promise(() => {}), lingers: (work) => run.lingers(work) })
      .subscribe()
      .unsubscribe();
}

function write(value: unknown, run: Run): void {
  if (value !== undefined && !run.aborted) run.responder?.write(value);
}

function pumpObservable(source: Observable<unknown>, run: Run, gate: Gate): Promise<void> {
  return new Promise((resolve, reject) => {
    /** Set once an element was itself a source: it and all that follows are written one behind the other. */
    let chain: Promise<void> | undefined;
    let settled = false;
    const settle = (error?: unknown, failed = false): void => {
      if (settled) return;
      settled = true;
      run.offAbort(end);
      tearDown(subscription);
      if (failed) reject(error);
      else resolve();
    };
    const fail = (error: unknown): void => settle(error, true);
    const end = (): void => settle();
    let subscription: { unsubscribe(): void } | undefined;
    const next = (value: unknown): void => {
      if (settled) return;
      try {
        if (chain || isSource(value) || isObservable(value)) {
          const poured = (chain ?? Promise.resolve()).then(() => (settled ? undefined : pour(value, run, innerGate(run))));
          chain = poured;
          gate.nested = poured.catch(fail).then(() => {
            if (chain === poured) gate.nested = undefined;
          });
        } else write(value, run);
      } catch (error) {
        fail(error);
      }
    };
    const complete = (): void => {
      if (chain) void chain.then(() => settle(), fail);
      else settle();
    };
    const error = (cause: unknown): void => {
      if (chain) void chain.then(() => fail(cause), fail);
      else fail(cause);
    };
    subscription = runInCall(run, () => source.subscribe({ next, error, complete }));
    if (settled) tearDown(subscription);
    else run.onAbort(end);
  });
}

/** A source that fails while it is torn down has nobody left to tell, and must not keep others from being torn down. */
function tearDown(subscription: { unsubscribe(): void } | undefined): void {
  try {
    subscription?.unsubscribe();
  } catch {
    // See above.
  }
}
