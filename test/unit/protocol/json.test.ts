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
    expect(() => parseJson(Buffer.from('{"password":"secret"'))).toThrow(expect.objectContaining({ message: 'not JSON (20 characters)' }));
    expect(() => parseJson(Buffer.from([0xff]))).toThrow(expect.objectContaining({ message: 'not UTF-8' }));
  });
});

describe("Python's JSON", () => {
  const read = (text: string, bigint = false) => {
    let told = 0;
    const value = parseJson(Buffer.from(text), { bigint, onNotFinite: () => (told += 1) });
    return [value, told];
  };

  it('NaN and Infinity are null, and that is told; in a string they are text', () => {
    expect(read('{"a": NaN, "b": [Infinity, -Infinity, 1], "NaN": "Infinity \\" NaN"}')).toEqual([
      { a: null, b: [null, null, 1], NaN: 'Infinity " NaN' },
      1,
    ]);
    expect(read('NaN')).toEqual([null, 1]);
    expect(read('{"a": "NaN"}')).toEqual([{ a: 'NaN' }, 0]);
  });

  it.each(['-NaN', 'NaNa', '[NaN', '{"a": NaN,}', 'nan', '"NaN', 'Infinity1', '1 NaN', '--Infinity'])('refuses %s', (text) => {
    for (const bigint of [false, true]) expect(() => read(text, bigint)).toThrow(expect.objectContaining({ code: 'MALFORMED_MESSAGE' }));
  });

  it('integers beyond 2^53 are the nearest number, or bigint where that is asked for', () => {
    const text =
      '{"n": 9007199254740993, "m": [-9007199254740993, 9007199254740991], "f": 12345678901.5, "e": 1e20, "s": "9007199254740993"}';
    const rest = { f: 12345678901.5, e: 1e20, s: '9007199254740993' };
    expect(read(text)).toEqual([{ n: 2 ** 53, m: [-(2 ** 53), 2 ** 53 - 1], ...rest }, 0]);
    expect(read(text, true)).toEqual([{ n: 2n ** 53n + 1n, m: [-(2n ** 53n) - 1n, 2 ** 53 - 1], ...rest }, 0]);
    expect(read('[NaN, 9007199254740993]', true)).toEqual([[null, 2n ** 53n + 1n], 1]);
    expect(read('[NaN, 9007199254740993]')).toEqual([[null, 2 ** 53], 1]);
  });

  it('a bigint is written as an integer, only where that is asked for', () => {
    const value = { a: 2n ** 64n, b: [-1n, '1n'], c: { toJSON: () => 5n } };
    expect(toJson(value, 'it', { bigint: true })).toBe('{"a":18446744073709551616,"b":[-1,"1n"],"c":5}');
    expect(() => toJson(value, 'it', { bigint: false })).toThrow(expect.objectContaining({ code: 'NOT_SERIALIZABLE' }));
  });

  it('what is long costs no more than its length', () => {
    const long = `"${'\\\\x'.repeat(500_000)}"`;
    const startedAt = performance.now();
    expect(read(`[${long}, NaN]`)[1]).toBe(1);
    expect(() => read(`[${'N'.repeat(500_000)}NaN`)).toThrow();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

it('isRecord', () => {
  expect([{}, { a: 1 }, Object.create(null)].map(isRecord)).toEqual([true, true, true]);
  expect([null, undefined, [], 'x', 1].map(isRecord)).toEqual([false, false, false, false, false]);
});
