import { expect, it } from 'vitest';
import { FeedbackLines } from '../../../lib/inbox/feedback-lines';

const texts = (lines: FeedbackLines) => lines.items().map(({ field, value }) => [field, value.toString().split('\n')]);

it('puts lines of a kind that follow each other in one item, in their order', () => {
  const lines = new FeedbackLines();
  expect(lines.isEmpty).toBe(true);
  lines.add('frame', '1');
  lines.add('frame', '"ü"');
  lines.add('control', '{}');
  lines.add('frame', '3');
  expect(lines.isEmpty).toBe(false);
  expect(texts(lines)).toEqual([
    ['frame', ['1', '"ü"']],
    ['control', ['{}']],
    ['frame', ['3']],
  ]);
});

it('keeps items of a size that a server takes; a larger line is one of its own', () => {
  const lines = new FeedbackLines();
  for (let n = 0; n < 100; n++) lines.add('frame', `"${'x'.repeat(9_998)}"`);
  lines.add('frame', `"${'y'.repeat(1_000_000)}"`);
  const items = lines.items();
  expect(
    items
      .map(({ value }) => value.length)
      .slice(0, -1)
      .every((length) => length <= 262_144),
  ).toBe(true);
  expect(items.at(-1)!.value.length).toBe(1_000_002);
  expect(texts(lines).reduce((sum, [, some]) => sum + some!.length, 0)).toBe(101);
});

it('gives each frame for itself, as lists have them', () => {
  const lines = new FeedbackLines();
  for (const line of ['1', '2', '3']) lines.add('frame', line);
  expect(lines.frames().map(String)).toEqual(['1', '2', '3']);
});
