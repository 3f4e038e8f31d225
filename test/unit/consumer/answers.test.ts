import { of, take, toArray, lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { fromSource, isSource } from '../../../lib/consumer/answers';
import { ticks } from '../../support/tick';

const FREE = { room: () => undefined };
const fail = (): never => {
  throw new Error('late');
};

describe('isSource', () => {
  function* generator() {
    yield 1;
  }
  async function* asyncGenerator() {
    yield 1;
  }
  class Text extends String {}
  class List extends Array {}
  it.each<[string, unknown, boolean]>([
    ['a generator', generator(), true],
    ['an async generator', asyncGenerator(), true],
    ['an iterator', [1].values(), true],
    ['an iterable', { [Symbol.iterator]: generator }, true],
    ['an async iterable', { [Symbol.asyncIterator]: asyncGenerator }, true],
    ['an array', [1], false],
    ['a kind of array', new List(), false],
    ['a Map', new Map(), false],
    ['a Set', new Set(), false],
    ['the values of a Map', new Map().values(), true],
    ['a Buffer', Buffer.from('x'), false],
    ['a typed array', new Uint16Array(1), false],
    ['text', 'text', false],
    ['a String', new Text('x'), false],
    ['an Observable', of(1), false],
    ['a promise', Promise.resolve(), false],
    ['a function', generator, false],
    ['an object', {}, false],
    ['null', null, false],
    ['undefined', undefined, false],
    ['a number', 1, false],
  ])('%s: %s', (_name, value, wanted) => expect(isSource(value)).toBe(wanted));
});

describe('fromSource', () => {
  it('gives each element, of both kinds, and what they throw', async () => {
    const failing = (async function* () {
      yield 1;
      throw new Error('x');
    })();
    expect(await lastValueFrom(fromSource([1, 2][Symbol.iterator](), FREE).pipe(toArray()))).toEqual([1, 2]);
    const seen: unknown[] = [];
    await new Promise<void>((resolve) =>
      fromSource(failing, FREE).subscribe({ next: (value) => seen.push(value), error: (error) => resolve(void seen.push(error)) }),
    );
    expect(seen).toEqual([1, expect.objectContaining({ message: 'x' })]);
  });

  it('F5: pulls nothing while there is no room', async () => {
    let pulled = 0;
    function* numbers() {
      for (;;) yield pulled++;
    }
    let free = (): void => {};
    let full = false;
    const gate = { room: () => (full ? new Promise<void>((resolve) => (free = resolve)) : void (full = pulled >= 3)) };
    const subscription = fromSource(numbers(), gate).subscribe();
    await ticks();
    const before = pulled;
    await ticks();
    expect(pulled).toBe(before);
    full = false;
    pulled = 0;
    free();
    await ticks();
    expect(pulled).toBeGreaterThan(0);
    subscription.unsubscribe();
  });

  it('F6: runs finally as soon as it is unsubscribed, not at the next element', async () => {
    let ended = false;
    async function* slow() {
      try {
        yield 1;
        await new Promise(() => {});
      } finally {
        ended = true;
      }
    }
    function* quick() {
      try {
        for (;;) yield 1;
      } finally {
        ended = true;
      }
    }
    await lastValueFrom(fromSource(quick(), FREE).pipe(take(2)));
    expect(ended).toBe(true);
    ended = false;
    await lastValueFrom(fromSource(slow(), FREE).pipe(take(1)));
    await ticks();
    expect(ended).toBe(true);
  });

  it.each([
    [
      'a generator',
      () =>
        (function* () {
          try {
            for (;;) yield 1;
          } finally {
            fail();
          }
        })(),
    ],
    [
      'an async generator',
      () =>
        (async function* () {
          try {
            for (;;) yield 1;
          } finally {
            fail();
          }
        })(),
    ],
    [
      'an iterator',
      () => ({
        [Symbol.iterator]: () => ({
          next: () => ({ done: false, value: 1 }),
          return: () => {
            fail();
          },
        }),
      }),
    ],
  ])('what %s throws while it is torn down reaches nobody', async (_name, make) => {
    const seen: unknown[] = [];
    await lastValueFrom(fromSource(make() as Iterable<unknown>, FREE).pipe(take(1))).then((value) => seen.push(value));
    await ticks();
    expect(seen).toEqual([1]);
  });

  it('runs finally where a promise among the elements fails', async () => {
    let ended = 0;
    function* source() {
      try {
        yield Promise.resolve(1);
        yield Promise.reject(new Error('x'));
      } finally {
        ended += 1;
      }
    }
    const seen: unknown[] = [];
    await new Promise<void>((resolve) =>
      fromSource(source(), FREE).subscribe({ next: (value) => seen.push(value), error: (error) => resolve(void seen.push(error)) }),
    );
    expect(seen).toEqual([1, expect.objectContaining({ message: 'x' })]);
    expect(ended).toBe(1);
  });

  it('unsubscribing throws nothing, whatever return() does', async () => {
    const source = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: 1 }), return: fail }) };
    const subscription = fromSource(source, { room: () => new Promise(() => {}) }).subscribe();
    expect(() => subscription.unsubscribe()).not.toThrow();
  });

  it('does not call return of what ended by itself', async () => {
    let returned = 0;
    const iterable = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: true as const, value: undefined }),
        return: () => (returned++, { done: true as const, value: undefined }),
      }),
    };
    await lastValueFrom(fromSource(iterable, FREE).pipe(toArray()));
    expect(returned).toBe(0);
  });
});
