import { inspect } from 'node:util';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkOptions } from '../../lib/common/option-rules';
import { StreambackConfigError } from '../../lib/common/errors';
import { DEFAULT_LISTENER_OPTIONS } from '../../lib/consumer/listener';
import { DEFAULT_CREDIT, DEFAULT_IDLE_TIMEOUT_MS } from '../../lib/producer/request-options';
import { BATCH_RULES, CONNECTION_RULES, LISTENER_RULES, REMOTE_RULES, REQUEST_RULES } from '../../lib/streamback.option-rules';
import { RUN_WORKERS_DEFAULTS, RUN_WORKERS_RULES } from '../../lib/workers/run-workers.bootstrap';
import { DEFAULT_BATCH_OPTIONS } from '../../lib/transport/batch-pattern.decorator';
import { GATHER_RULES } from '../../lib/transport/gather-options';
import { connectionOptions } from '../../lib/transport/connection-options';

interface Row {
  readonly option: string;
  readonly type: string;
  readonly default: string;
  readonly meaning: string;
}

const page = readFileSync(resolve(__dirname, '../../docs/options.md'), 'utf8');

/** The table of options under a heading. */
function rowsUnder(heading: string): Row[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return section
    .split('\n')
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .filter((cells) => cells.length === 6 && /^`[\w.]+`$/.test(cells[1] ?? ''))
    .map(([, option = '', type = '', byDefault = '', meaning = '']) => ({
      option: option.replaceAll('`', ''),
      type,
      default: byDefault,
      meaning,
    }));
}

const namesUnder = (heading: string): string[] => rowsUnder(heading).map(({ option }) => option);

/** The options that stand in another option, as the refusal of an unknown one lists them; none where it has no rules of its own. */
function namesWithin(...path: string[]): string[] {
  const given = path.reduceRight<object>((inner, name) => ({ [name]: inner }), { 'no such option, far from any': 1 });
  try {
    checkOptions(given, CONNECTION_RULES);
    return [];
  } catch (error) {
    const known = error instanceof StreambackConfigError ? /^Known are: (.+)\.$/.exec(error.remedy) : undefined;
    return known?.[1]?.split(', ') ?? [];
  }
}

/** The options below one, at any depth, with their paths. */
const pathsWithin = (...path: string[]): string[] =>
  namesWithin(...path).flatMap((name) => [[...path, name].join('.'), ...pathsWithin(...path, name)]);

describe('docs/options.md', () => {
  it.each([
    ['Connection', Object.keys(CONNECTION_RULES)],
    ['Kafka', pathsWithin('kafka')],
    ['Redis', pathsWithin('redis')],
    ['Listeners', Object.keys(LISTENER_RULES)],
    ['Batches', Object.keys(BATCH_RULES).filter((name) => !Object.hasOwn(LISTENER_RULES, name))],
    ['Remote methods', Object.keys(REMOTE_RULES).filter((name) => !Object.hasOwn(LISTENER_RULES, name))],
    ['Workers', Object.keys(RUN_WORKERS_RULES)],
    ['Records', Object.keys(REQUEST_RULES)],
    ['Gather', Object.keys(GATHER_RULES)],
  ])('lists each option of %s once, and no other', (heading, names) => {
    expect(names).not.toEqual([]);
    expect(namesUnder(heading).toSorted()).toEqual(names.toSorted());
  });

  it('needs no further tables for the defaults of listeners and requests', () => {
    expect(namesWithin('defaultListenerOptions')).toEqual(namesUnder('Listeners'));
    const names = namesWithin('defaultRequestOptions');
    const type = rowsUnder('Connection').find(({ option }) => option === 'defaultRequestOptions')?.type;
    expect(type).toBe(`\`{ ${names.map((name) => `${name}?`).join(', ')} }\``);
    expect(namesUnder('Records')).toEqual(expect.arrayContaining(names));
  });

  it('gives each option a type, a default and a meaning', () => {
    for (const heading of ['Connection', 'Kafka', 'Redis', 'Listeners', 'Batches', 'Remote methods', 'Workers', 'Records', 'Gather']) {
      for (const row of rowsUnder(heading)) for (const cell of Object.values(row)) expect(cell, row.option).not.toBe('');
    }
  });

  it('says the defaults that the code has', () => {
    const shown = (value: unknown): string =>
      `\`${typeof value === 'number' ? value.toLocaleString('en').replaceAll(',', '_') : inspect(value)}\``;
    const whole = Object.entries(connectionOptions({ group: 'g', streams: 'memory://' }));
    const plain = Object.fromEntries(whole.filter(([name, value]) => name !== 'group' && ['string', 'number'].includes(typeof value)));
    const defaults: [heading: string, values: Readonly<Record<string, unknown>>][] = [
      ['Connection', plain],
      ['Listeners', DEFAULT_LISTENER_OPTIONS],
      ['Batches', DEFAULT_BATCH_OPTIONS],
      ['Workers', RUN_WORKERS_DEFAULTS],
      ['Records', { idleTimeoutMs: DEFAULT_IDLE_TIMEOUT_MS, credit: DEFAULT_CREDIT }],
    ];
    for (const [heading, values] of defaults) {
      const rows = Object.fromEntries(rowsUnder(heading).map((row) => [row.option, row.default]));
      for (const [name, value] of Object.entries(values)) {
        expect(rows[name], name).toBe(value === '' ? "`''`" : value === Infinity ? 'none' : shown(value));
      }
    }
  });
});
