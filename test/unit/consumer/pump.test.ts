import { NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { StreambackAbortError } from '../../../lib/common/errors';
import { pump } from '../../../lib/consumer/pump';
import type { Responder } from '../../../lib/consumer/responder';
import { Run } from '../../../lib/consumer/run';
import { ticks } from '../../support/tick';

const CANCELLED = new StreambackAbortError('CANCELLED', 'x');

function setup() {
  const written: unknown[] = [];
  const responder = {
    write: (value: unknown) => void written.push(value),
    room: () => undefined,
    abandon: () => {},
  } as unknown as Responder;
  const message = { topic: 't', partition: 0, offset: '0', timestamp: 0, key: null, value: null, headers: [], rank: 1 };
  const run = new Run('r', { value: 1, feedbackTopic: null, sourceGroup: null }, message, 1, Infinity, responder);
  const teardowns = (): number => {
    const { first, others } = (run as unknown as { teardowns: { first?: unknown; others?: Set<unknown> } }).teardowns;
    return (first ? 1 : 0) + (others?.size ?? 0);
  };
  return { written, run, teardowns };
}

const pumping = (given: unknown, run: Run): Promise<void> =>
  new Promise((resolve, reject) => pump(given, run, (failure) => (failure ? reject(failure.error as Error) : resolve())));

function* two(from: number) {
  yield from;
  yield from + 1;
}

async function* twoLater(from: number) {
  yield from;
  await ticks(2);
  yield from + 1;
}

describe('pump', () => {
  it.each<[string, unknown, unknown[]]>([
    ['a value', 7, [7]],
    ['a promise', Promise.resolve(7), [7]],
    ['nothing', undefined, []],
    ['null', null, [null]],
    ['an array', [1, 2], [[1, 2]]],
    ['an Observable', of(1, undefined, 2), [1, 2]],
    ['a generator', two(1), [1, 2]],
    ['an async generator', twoLater(1), [1, 2]],
    ['a promise of a generator', Promise.resolve(two(1)), [1, 2]],
    ['an Observable of sources and values, in their order', of(0, twoLater(1), 3, of(4, two(5)), 7), [0, 1, 2, 3, 4, 5, 6, 7]],
    ['an Observable of arrays', of([1], [2]), [[1], [2]]],
  ])('writes %s', async (_name, given, wanted) => {
    const { written, run, teardowns } = setup();
    await pumping(given, run);
    expect(written).toEqual(wanted);
    expect(teardowns()).toBe(0);
  });

  it.each<[string, () => unknown, unknown[]]>([
    ['a promise', () => Promise.reject(new Error('boom')), []],
    [
      'a thenable that throws',
      () => ({
        ['then' as string]() {
          throw new Error('boom');
        },
      }),
      [],
    ],
    ['an Observable', () => throwError(() => new Error('boom')), []],
    [
      'a generator',
      () =>
        (function* () {
          yield 1;
          throw new Error('boom');
        })(),
      [1],
    ],
    [
      'a source in an Observable',
      () =>
        of(
          1,
          (function* () {
            yield 2;
            throw new Error('boom');
          })(),
          3,
        ),
      [1, 2],
    ],
    [
      'an Observable behind a source',
      () =>
        new Observable((to) => {
          to.next(twoLater(1));
          to.error(new Error('boom'));
        }),
      [1, 2],
    ],
  ])('rejects with what %s throws, behind what it gave', async (_name, make, wanted) => {
    const { written, run, teardowns } = setup();
    await expect(pumping(make(), run)).rejects.toThrow('boom');
    expect(written).toEqual(wanted);
    expect(teardowns()).toBe(0);
  });

  it('rejects with what the responder throws, and tears the source down', async () => {
    const { run } = setup();
    let torn = 0;
    const failing = new Run('r', run.envelope, run.message, 1, Infinity, {
      write: () => {
        throw new Error('too large');
      },
      room: () => undefined,
      abandon: () => {},
    } as unknown as Responder);
    await expect(
      pumping(
        new Observable((to) => {
          to.next(1);
          return () => (torn += 1);
        }),
        failing,
      ),
    ).rejects.toThrow('too large');
    expect(torn).toBe(1);
    await expect(pumping(1, failing)).rejects.toThrow('too large');
  });

  it('F6: an abort tears an Observable down, resolves, and nothing more is written', async () => {
    const { written, run, teardowns } = setup();
    const subject = new Subject<number>();
    const pumped = pumping(subject, run);
    await ticks();
    subject.next(1);
    run.abort(CANCELLED);
    await pumped;
    subject.next(2);
    expect(subject.observed).toBe(false);
    expect(written).toEqual([1]);
    expect(teardowns()).toBe(0);
  });

  it("F6: an abort runs a generator's finally, though it waits for nothing to come", async () => {
    const { written, run } = setup();
    let ended = (): void => {};
    const finallyRan = new Promise<void>((resolve) => (ended = resolve));
    let go = (): void => {};
    const pumped = pumping(
      (async function* () {
        try {
          yield 1;
          await new Promise<void>((resolve) => (go = resolve));
          yield 2;
          yield 3;
        } finally {
          ended();
        }
      })(),
      run,
    );
    await ticks();
    run.abort(CANCELLED);
    await pumped;
    go();
    await finallyRan;
    expect(written).toEqual([1]);
  });

  it('an abort does not wait for a handler that does not look at its signal', async () => {
    const { run } = setup();
    const pumped = [pumping(new Promise(() => {}), run), pumping(NEVER, run), pumping(of(new Promise(() => {}), NEVER), run)];
    await ticks();
    run.abort(CANCELLED);
    await Promise.all(pumped);
  });

  it('what rejects after an abort is no unhandled rejection', async () => {
    const { run } = setup();
    let reject = (_error: Error): void => {};
    const pumped = pumping(new Promise((_resolve, fail) => (reject = fail)), run);
    run.abort(CANCELLED);
    await pumped;
    reject(new Error('late'));
    await ticks();
  });

  it('a source that comes after an abort is asked for nothing', async () => {
    const { run } = setup();
    let pulled = 0;
    let returned = 0;
    const endless = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: ++pulled > 1_000, value: 1 }),
        return: () => (returned++, { done: true, value: 1 }),
      }),
    };
    let resolve = (_value: unknown): void => {};
    const pumped = pumping(new Promise((settle) => (resolve = settle)), run);
    run.abort(CANCELLED);
    await pumped;
    resolve(endless);
    await ticks();
    expect([pulled, returned]).toEqual([0, 1]);
  });

  it('F5: a source of sources is pulled on only when the one before is written', async () => {
    const { written, run } = setup();
    let outer = 0;
    let ahead = 0;
    function* inner(n: number) {
      ahead = Math.max(ahead, outer - n);
      yield `${n}a`;
      yield `${n}b`;
    }
    function* endless() {
      for (;;) yield inner(outer++);
    }
    const pumped = pumping(endless(), run);
    await ticks(20);
    expect(written.length).toBeGreaterThan(10);
    expect(ahead).toBeLessThanOrEqual(2);
    expect(written.slice(0, 4)).toEqual(['0a', '0b', '1a', '1b']);
    run.abort(CANCELLED);
    await pumped;
  });

  it('an endless source that gives nothing does not stop the process, and can be aborted', async () => {
    const { run } = setup();
    let returned = false;
    const pumped = pumping(
      (function* () {
        try {
          for (;;) yield undefined;
        } finally {
          returned = true;
        }
      })(),
      run,
    );
    await ticks();
    run.abort(CANCELLED);
    await pumped;
    await ticks();
    expect(returned).toBe(true);
  });

  it('a source that fails while it is torn down keeps nobody else from being torn down', async () => {
    const { run } = setup();
    let signalled = false;
    const pumped = pumping(
      new Observable(() => () => {
        throw new Error('teardown');
      }),
      run,
    );
    await ticks();
    run.onAbort(() => (signalled = true));
    expect(() => run.abort(CANCELLED)).not.toThrow();
    await pumped;
    expect(signalled).toBe(true);
  });
});

describe('Run', () => {
  it('makes a signal when asked for, aborted or not yet, with its reason', () => {
    const { run } = setup();
    const { signal } = run;
    run.abort(CANCELLED);
    run.abort(new StreambackAbortError('SHUTDOWN', 'later'));
    expect([signal.aborted, signal.reason, run.aborted]).toEqual([true, CANCELLED, CANCELLED]);
    const other = setup().run;
    other.abort(CANCELLED);
    expect([other.signal.aborted, other.signal.reason]).toEqual([true, CANCELLED]);
  });

  it('an abort ends the wait of a respond whose answer is not stored', async () => {
    const never = new Promise<void>(() => {});
    const responder = { write: () => {}, flushed: () => never, abandon: () => {}, room: () => undefined } as unknown as Responder;
    const { message } = setup().run;
    const run = new Run('r', { value: 1, feedbackTopic: null, sourceGroup: null }, message, 1, Infinity, responder);
    let responded = false;
    const responding = run.respond(1).then(() => (responded = true));
    await ticks();
    expect(responded).toBe(false);
    run.abort(CANCELLED);
    await responding;
  });

  it('responds with nothing once aborted, and remembers its first failure', async () => {
    const { run, written } = setup();
    run.noteFailure('first');
    run.noteFailure('second');
    expect(run.failure).toBe('first');
    run.abort(CANCELLED);
    await run.respond(1);
    expect(written).toEqual([]);
  });
});
