import { describe, expect, it } from 'vitest';
import { isRecord, parseJson, toJson } from '../../../lib/protocol/json';

describe('toJson', () => {
  it('gives the JSON of what JSON can hold', () => {
    expect(toJson({ a: [1, null, 'ü'], b: undefined }, 'it')).toBe('{"a":[1,null,"ü"]}');
    expect(toJson(null, 'it')).toBe('null');
    expect(toJson(NaN, 'it')).toBe('null');
    expect(toJson('\ud800', 'it')).toBe(String.raw`"\ud800"`);
  });

  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) deep = [deep];
  const throwing = {
    toJSON() {
      throw new RangeError('no');
    },
  };
  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a BigInt', 1n],
    ['a cycle', cycle],
    ['what is too deep', deep],
    ['a throwing toJSON', throwing],
    [
      'what throws no error',
      {
        toJSON() {
          throw 'text';
        },
      },
    ],
  ])('refuses %s, and says what it was', (_name, value) => {
    expect(() => toJson(value, "The data of 'x'")).toThrow(
      expect.objectContaining({ code: 'NOT_SERIALIZABLE', message: expect.stringMatching(/^The data of 'x' cannot be sent as JSON: .+$/) }),
    );
  });
});

describe('parseJson', () => {
  it('does not tell in its message what it could not read', () => {
    expect(() => parseJson(Buffer.from('{"password":"secret"'))).toThrow(expect.objectContaining({ message: 'not JSON (20 bytes)' }));
    expect(() => parseJson(Buffer.from([0xff]))).toThrow(expect.objectContaining({ message: 'not UTF-8' }));
  });
});

it('isRecord', () => {
  expect([{}, { a: 1 }, Object.create(null)].map(isRecord)).toEqual([true, true, true]);
  expect([null, undefined, [], 'x', 1].map(isRecord)).toEqual([false, false, false, false, false]);
});
