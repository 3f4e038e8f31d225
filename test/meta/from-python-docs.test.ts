import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(__dirname, '../..');
const FOLDER = 'test/e2e/from-python';

const page = readFileSync(join(ROOT, 'docs/from-python-streamback.md'), 'utf8');
const sources = readdirSync(join(ROOT, FOLDER))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(ROOT, FOLDER, name), 'utf8'));

/** What stands between `#region <name>` and `#endregion`, by name. */
const regions = new Map(
  sources.flatMap((source) =>
    [...source.matchAll(/^\/\/ #region ([\w-]+)\n([\s\S]*?)^\/\/ #endregion$/gm)].map(
      ([, name, text]) => [name!, text!.trimEnd()] as const,
    ),
  ),
);
/** The TypeScript of the page, by the comment before each block. */
const blocks = [...page.matchAll(/^(?:<!-- (test\/[\w/.-]+)#([\w-]+) -->\n\n)?```ts\n([\s\S]*?)^```$/gm)].map(([, file, region, text]) => ({
  file,
  region,
  text: text!.trimEnd(),
}));

it('shows code that tests run, and all of it', () => {
  expect(blocks.length).toBeGreaterThan(10);
  for (const { file, region, text } of blocks) {
    expect(file?.startsWith(`${FOLDER}/`), text).toBe(true);
    expect(readFileSync(join(ROOT, file!), 'utf8')).toContain(`// #region ${region}\n`);
    expect(text).toBe(regions.get(region!));
  }
  expect(blocks.map(({ region }) => region).toSorted()).toEqual([...regions.keys()].toSorted());
});

it('names tests that are there', () => {
  const named = [...page.matchAll(/`(test\/[\w/.-]+)`/g)].map(([, name]) => name!);
  expect(named.length).toBeGreaterThan(10);
  for (const name of named) expect(() => readFileSync(join(ROOT, name)), name).not.toThrow();
});
