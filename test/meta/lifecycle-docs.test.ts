import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AUTO_RESTART_DEFAULTS, AUTO_RESTART_RULES } from '../../lib/extensions/auto-restart';
import { LISTENER_STATS_DEFAULTS, LISTENER_STATS_RULES } from '../../lib/extensions/listener-stats';
import { HOOK_NAMES } from '../../lib/lifecycle/hooks';

const page = readFileSync(resolve(__dirname, '../../docs/lifecycle.md'), 'utf8');

/** The first cells of the tables of options and hooks under a heading, with the second. */
function rowsUnder(heading: string): Map<string, string> {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  const rows = section.split('\n').map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('`', '')));
  // Those of fields have two columns.
  return new Map(rows.flatMap(([, name = '', value = '', ...more]) => (more.length > 1 ? [[name, value] as const] : [])));
}

const shown = (value: number | boolean): string =>
  value === Infinity ? 'none' : typeof value === 'number' ? value.toLocaleString('en').replaceAll(',', '_') : String(value);

describe('docs/lifecycle.md', () => {
  it('lists each hook, and no other', () => {
    expect([...rowsUnder('Hooks').keys()].filter((name) => name.startsWith('on')).toSorted()).toEqual(HOOK_NAMES.toSorted());
  });

  it.each([
    ['ListenerStats', LISTENER_STATS_RULES, LISTENER_STATS_DEFAULTS],
    ['AutoRestart', AUTO_RESTART_RULES, AUTO_RESTART_DEFAULTS],
  ])('lists the options of %s with their defaults', (heading, rules, defaults) => {
    const rows = rowsUnder(heading);
    for (const name of Object.keys(rules)) {
      expect([name, rows.get(name)]).toEqual([name, shown((defaults as Readonly<Record<string, number | boolean>>)[name]!)]);
    }
  });
});
