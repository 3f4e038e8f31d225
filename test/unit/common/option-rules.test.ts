import { describe, expect, it } from 'vitest';
import { StreambackConfigError } from '../../../lib/common/errors';
import {
  aBoolean,
  aCount,
  aDuration,
  aName,
  anObject,
  anObjectWithout,
  aString,
  anything,
  checkOptions,
  oneOf,
  options,
  type OptionRule,
} from '../../../lib/common/option-rules';

const RULES = {
  group: aName,
  timeoutMs: aDuration(1),
  kafka: options<{ partitions?: number; client?: object; deep?: object }>({
    partitions: aCount(1),
    client: anObjectWithout({ keyPrefix: 'it is part of the wire' }),
    deep: options<{ low?: number }>({ low: aCount(0) }),
  }),
};

function refusal(given: object, path?: string): StreambackConfigError {
  try {
    checkOptions(given, RULES, path);
  } catch (error) {
    if (error instanceof StreambackConfigError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('rules of options', () => {
  it.each<[string, OptionRule, readonly unknown[], readonly unknown[]]>([
    ['aString', aString, ['', 'x'], [1, null, {}]],
    ['aName', aName, ['x'], ['', '  ', 1]],
    ['aBoolean', aBoolean, [true, false], ['true', 1, null]],
    ['aCount(1)', aCount(1), [1, 5, Number.MAX_SAFE_INTEGER], [0, -1, 1.5, NaN, Infinity, '1', 1n, 2 ** 53]],
    ['aCount(0, 4)', aCount(0, 4), [0, 4], [5, -1]],
    ['aDuration(1)', aDuration(1), [1, 2 ** 31 - 1], [0, 2 ** 31, 0.5, '5s', Infinity]],
    ['oneOf', oneOf('key', 'none'), ['key', 'none'], ['Key', '', undefined]],
    ['anObject', anObject, [{}], [[], null, 'x', 1]],
    ['anything', anything, [null, 1, {}], []],
  ])('%s', (_name, rule, good, bad) => {
    for (const value of good) expect(rule(value, 'it')).toBeUndefined();
    for (const value of bad) expect(rule(value, 'it')).toEqual(expect.any(String));
  });

  it('takes what is right, and undefined as left out', () => {
    expect(() => checkOptions({ group: 'g', timeoutMs: undefined, kafka: { partitions: 3, client: { a: 1 } } }, RULES)).not.toThrow();
  });

  it('names option, value and what it must be', () => {
    expect(refusal({ timeoutMs: '5s' })).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'timeoutMs',
      message: `'timeoutMs' must be whole milliseconds, at least 1, not "5s"`,
    });
    expect(refusal({ group: () => 1 }).message).toContain('not a function');
    expect(refusal({ group: ['secret'] }).message).toContain('not an array');
    expect(refusal({ group: 'x', timeoutMs: 'x'.repeat(500) }).message.length).toBeLessThan(150);
    expect(refusal({ group: Symbol('s') }).message).toContain('Symbol(s)');
  });

  it('names nested options by their path', () => {
    expect(refusal({ kafka: { partitions: 0 } }).option).toBe('kafka.partitions');
    expect(refusal({ kafka: { deep: { low: -1 } } }).option).toBe('kafka.deep.low');
    expect(refusal({ kafka: [] })).toMatchObject({ option: 'kafka', message: `'kafka' must be an object, not an array` });
    expect(refusal({ kafka: { client: { keyPrefix: 'x' } } })).toMatchObject({
      option: 'kafka.client.keyPrefix',
      message: 'it is part of the wire',
    });
    expect(refusal({ group: 1 }, `listener 'a'`).option).toBe(`listener 'a'.group`);
  });

  it.each([
    [{ timeoutMS: 1 }, `Did you mean 'timeoutMs'?`],
    [{ tmeoutMs: 1 }, `Did you mean 'timeoutMs'?`],
    [{ gruop: 1 }, `Did you mean 'group'?`],
    [{ kafka: { partition: 1 } }, `Did you mean 'kafka.partitions'?`],
    [{ completelyOther: 1 }, 'Known are: group, timeoutMs, kafka.'],
    // Three edits make anything of a short word.
    [{ ak: 1 }, 'Known are: group, timeoutMs, kafka.'],
  ])('helps with a misspelt option: %j', (given, remedy) => {
    expect(refusal(given).remedy).toBe(remedy);
    expect(refusal(given).message).toContain(remedy);
  });

  it('does not take what every object inherits for an option', () => {
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(refusal(JSON.parse(`{"${name}":1}`) as object).message).toContain(`There is no option '${name}'`);
    }
  });

  it('shows no password of a misplaced URL', () => {
    for (const options of [
      { redis: 'redis://:canary@cache' },
      { kafka: { client: 'kafka:u:canary@h' } },
      { topicsPrefix: 'u:canary@h:9092' },
    ]) {
      expect(refusal(options).message).not.toContain('canary');
    }
  });
});
