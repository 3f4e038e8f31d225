const SHOWN = 10;

/** Names for a log line: the first ten, and how many more there are. */
export function firstNames(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).map((name) => `'${name}'`);
  return shown.join(', ') + (names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '');
}
