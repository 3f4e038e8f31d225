import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(__dirname, '../..');
const LONGEST_FILE = 300;
const BARE_ERROR = /\bnew Error\(/;
const VAGUE_NAME = /(^|[/.-])(utils?|helpers?|types)([./-]|$)/;

const files = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name: `lib/${name}`, text: readFileSync(join(ROOT, 'lib', name), 'utf8') }));

it(`keeps every file of lib within ${LONGEST_FILE} lines: a longer one is two things`, () => {
  const lengths = files.map(({ name, text }) => ({ name, lines: text.trimEnd().split('\n').length }));
  expect(lengths.filter(({ lines }) => lines > LONGEST_FILE)).toEqual([]);
});

it('throws errors with a code, never bare ones', () => {
  const bare = files.flatMap(({ name, text }) =>
    text
      .split('\n')
      .flatMap((line, at) => (BARE_ERROR.test(line) && !/^\s*(\/\/|\*)/.test(line) ? [`${name}:${at + 1}: ${line.trim()}`] : [])),
  );
  expect(bare).toEqual([]);
});

it('names files after what they hold', () => {
  expect(files.map(({ name }) => name).filter((name) => VAGUE_NAME.test(name))).toEqual([]);
});
