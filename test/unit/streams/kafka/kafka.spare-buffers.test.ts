import { expect, it } from 'vitest';
import { SpareBuffers } from '../../../../lib/streams/kafka/kafka.spare-buffers';

it('gives what came back, the smallest that is large enough', () => {
  const spare = new SpareBuffers(1_000_000);
  const [small, large] = [spare.take(20_000), spare.take(200_000)];
  expect([small.length, large.length]).toEqual([32_768, 262_144]);
  spare.giveBack(large);
  spare.giveBack(small);
  expect(spare.take(100)).toBe(small);
  expect(spare.take(100)).toBe(large);
  const other = spare.take(100);
  expect(other.length).toBe(16_384);
  expect([small, large]).not.toContain(other);
});

it('keeps so many bytes at most, and of those the largest', () => {
  const spare = new SpareBuffers(300_000);
  const [small, other, large, huge] = [20_000, 20_000, 200_000, 300_001].map((size) => spare.take(size));
  expect(huge!.length).toBe(300_001);
  for (const each of [large, small, huge]) spare.giveBack(each!);
  expect([spare.take(1), spare.take(1)]).toEqual([small, large]);
  for (const each of [small, other, large]) spare.giveBack(each!);
  expect([spare.take(1), spare.take(1)].map(({ length }) => length)).toEqual([32_768, 262_144]);
  expect(spare.take(1).length).toBe(16_384);
});
