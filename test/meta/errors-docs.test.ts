import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { ERROR_CODES, type StreambackErrorKind } from '../../lib/common/error-codes';
import * as errors from '../../lib/common/errors';

const CLASSES: Record<StreambackErrorKind, keyof typeof errors> = {
  config: 'StreambackConfigError',
  connection: 'StreambackConnectionError',
  publish: 'StreambackPublishError',
  timeout: 'StreambackTimeoutError',
  lane: 'StreambackLaneError',
  abort: 'StreambackAbortError',
  message: 'StreambackMessageError',
};

interface Row {
  readonly className: string;
  readonly code: string;
  readonly when: string;
  readonly retryable: string;
  readonly remedy: string;
}

const rows = readFileSync(resolve(__dirname, '../../docs/errors.md'), 'utf8')
  .split('\n')
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
  .filter((cells) => /^`[A-Z_]+`$/.test(cells[2] ?? ''))
  .map(([, className = '', code = '', when = '', retryable = '', remedy = '']): Row => ({
    className: className.replaceAll('`', ''),
    code: code.replaceAll('`', ''),
    when,
    retryable,
    remedy: remedy.replaceAll('\\|', '|'),
  }));

it('lists each code once, and no other', () => {
  expect(rows.map((row) => row.code).toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
});

it('lists classes that exist', () => {
  for (const name of Object.values(CLASSES)) expect(errors).toHaveProperty(name);
});

for (const [code, { kind, retryable, remedy }] of Object.entries(ERROR_CODES)) {
  it(`says of ${code} what the code says`, () => {
    const row = rows.find((each) => each.code === code);
    expect(row).toMatchObject({ className: CLASSES[kind], retryable: retryable ? 'yes' : 'no', remedy });
    expect(row?.when).not.toBe('');
  });
}
