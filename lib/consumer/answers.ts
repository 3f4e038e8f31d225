import { isObservable, Observable } from 'rxjs';
import type { CallContext } from '../context/call-context';

/** So many elements may be pulled in one turn of the event loop. */
const STEPS_A_TURN = 1_024;

type Source = Iterable<unknown> | AsyncIterable<unknown>;

/**
 * Whether each element is an answer: true of generators, iterators, iterables and async iterables; an array, a string, a Map, a Set
 * and binary data are one answer each.
 */
export function isSource(value: unknown): value is Source {
  if (typeof value !== 'object' || value === null || isObservable(value)) return false;
  if (Symbol.asyncIterator in value) return true;
  return (
    Symbol.iterator in value &&
    !(Array.isArray(value) || value instanceof Map || value instanceof Set || ArrayBuffer.isView(value) || value instanceof String)
  );
}

/**
 * The elements of a source as an Observable that pulls the next one only when there is room. Unlike rxjs' `from`, unsubscribing calls
 * the iterator's `return()` at once, so that a generator's `finally` runs.
 */
export function fromSource(source: Source, call: Pick<CallContext, 'room' | 'lingers'>): Observable<unknown> {
  return new Observable((subscriber) => {
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    let finished = false;
    /** An element is waited for, whose failure is no end of its iterator. */
    let within = false;
    const pull = async (): Promise<void> => {
      try {
        for (let steps = 1; !subscriber.closed; steps++) {
          // Neither room nor elements make it wait, should it give nothing that is written: the process must not stand still for it.
          if (steps % STEPS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
          const room = call.room();
          if (room) {
            await room;
            if (subscriber.closed) return;
          }
          // A synchronous step is not awaited: it would cost a turn for each element.
          const step = iterator.next();
          const { done, value } = 'then' in step ? await step : step;
          if (done) {
            finished = true;
            return subscriber.complete();
          }
          within = value instanceof Promise;
          subscriber.next(within ? await value : value);
          within = false;
        }
      } catch (error) {
        finished ||= !within;
        subscriber.error(error);
      }
    };
    void pull();
    return () => {
      if (finished) return;
      finished = true;
      // A generator that fails while it is torn down has nobody left to tell; a plain one throws at once.
      const ended = (async () => iterator.return?.())().catch(() => {});
      call.lingers?.(ended);
    };
  });
}
