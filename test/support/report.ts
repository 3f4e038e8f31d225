import { appendFileSync } from 'node:fs';
import { expect } from 'vitest';

/** The full sizes of the fault rows, on demand; the small ones in CI. */
export const FULL_SIZE = process.env.STREAMBACK_FULL === '1';

/**
 * Prints what a test of a row (`'R2'`) has counted, on one line; `npm run test:fault` puts it into its table.
 * @param size what was run, where it is neither the full size nor CI's
 */
export function report(row: string, counts: Readonly<Record<string, number | string>>, size = FULL_SIZE ? 'full' : 'CI'): void {
  const text = Object.entries(counts)
    .map(([name, count]) => `${name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${count}`)
    .join(', ');
  console.info(`${row} (${size}): ${text}`);
  const file = process.env.STREAMBACK_REPORT;
  if (file) appendFileSync(file, `${JSON.stringify({ row, size, text, test: expect.getState().currentTestName })}\n`);
}
