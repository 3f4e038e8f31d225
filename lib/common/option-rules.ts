import { StreambackConfigError } from './errors';
import { redact } from './redact';

/** Says what is wrong with a value, as the end of "must be …"; nothing where it is right. */
export type OptionRule = (value: unknown, path: string) => string | undefined;

/** For each option its rule. */
export type OptionRules<Options> = { readonly [Name in keyof Required<Options>]: OptionRule };

const is =
  (wanted: string, test: (value: unknown) => boolean): OptionRule =>
  (value) =>
    test(value) ? undefined : wanted;

export const aString = is('a string', (value) => typeof value === 'string');
export const aName = is('a string that is not empty', (value) => typeof value === 'string' && value.trim() !== '');
export const aBoolean = is('true or false', (value) => typeof value === 'boolean');
export const aFunction = is('a function', (value) => typeof value === 'function');
export const aClass = is('a class', (value) => typeof value === 'function' && typeof value.prototype === 'object');
export const anything: OptionRule = () => undefined;

/** A whole number of something. */
export const aCount = (low: number, high = Number.MAX_SAFE_INTEGER): OptionRule =>
  is(
    high === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${low}` : `a whole number from ${low} to ${high}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high,
  );

/** Milliseconds, as many as a timer can hold. */
export const aDuration = (lowMs: number): OptionRule => {
  const count = aCount(lowMs, 2 ** 31 - 1);
  return (value, path) => (count(value, path) === undefined ? undefined : `whole milliseconds, at least ${lowMs}`);
};

export const oneOf = (...values: readonly unknown[]): OptionRule =>
  is(values.map((value) => JSON.stringify(value)).join(' or '), (value) => values.includes(value));

/** An object whose options have rules of their own. */
export const options =
  <Options>(rules: OptionRules<Options>): OptionRule =>
  (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'an object';
    checkOptions(value, rules, path);
    return undefined;
  };

/** An object that another library checks. */
export const anObject = is('an object', (value) => typeof value === 'object' && value !== null && !Array.isArray(value));

export const stringsByName: OptionRule = (value, path) =>
  anObject(value, path) ?? (Object.values(value as object).every((text) => typeof text === 'string') ? undefined : 'an object of strings');

/** An object without some of its usual names. @param refused name to reason */
export const anObjectWithout =
  (refused: Readonly<Record<string, string>>): OptionRule =>
  (value, path) => {
    const wrong = anObject(value, path);
    if (wrong !== undefined) return wrong;
    for (const [name, why] of Object.entries(refused)) {
      if (Object.hasOwn(value as object, name)) throw invalidOption(`${path}.${name}`, why);
    }
    return undefined;
  };

/**
 * Holds options to their rules. An option that is `undefined` counts as left out.
 * @param path what the options stand in, for the error: `kafka`, `listener 'reports.build'`; '' at the top
 * @throws StreambackConfigError INVALID_OPTION, naming option, value and remedy
 */
export function checkOptions<Options>(given: object, rules: OptionRules<Options>, path = ''): void {
  for (const [name, value] of Object.entries(given)) {
    const option = path === '' ? name : `${path}.${name}`;
    if (!Object.hasOwn(rules, name)) throw unknownOption(option, name, Object.keys(rules));
    if (value === undefined) continue;
    const wanted = rules[name as keyof Options](value, option);
    if (wanted === undefined) continue;
    const is = shown(value);
    // It is 'an array of names' that is wanted: 'not an array' would be wrong of what has something else in it.
    throw invalidOption(option, `'${option}' must be ${wanted}${wanted.startsWith(`${is} of`) ? '' : `, not ${is}`}`);
  }
}

/** Options without those that are `undefined`: they count as left out. */
export const withoutUndefined = <Options extends object>(given: Options): { [Name in keyof Options]: Exclude<Options[Name], undefined> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;

export function invalidOption(option: string, message: string, remedy?: string): StreambackConfigError {
  return new StreambackConfigError('INVALID_OPTION', message, { option, remedy });
}

/** The known name that is nearest to another, fewer than so many edits away. */
export function nearest(name: string, known: readonly string[], within: number): string | undefined {
  const near = known.map((other) => ({ other, distance: distance(name.toLowerCase(), other.toLowerCase()) }));
  return near.reduce((one, two) => (two.distance < one.distance ? two : one), { other: undefined as string | undefined, distance: within })
    .other;
}

function unknownOption(option: string, name: string, known: readonly string[]): StreambackConfigError {
  const best = nearest(name, known, Math.min(4, name.length));
  const parent = option.slice(0, option.length - name.length);
  const remedy = best === undefined ? `Known are: ${known.join(', ')}.` : `Did you mean '${parent}${best}'?`;
  return invalidOption(option, `There is no option '${option}'. ${remedy}`, remedy);
}

function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return typeof value === 'string' ? JSON.stringify(redact(value).slice(0, 60)) : String(value);
}

/** Edits that turn one word into the other (Levenshtein). */
function distance(one: string, two: string): number {
  let row = Array.from({ length: two.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= two.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (one[i - 1] === two[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[two.length]!;
}
