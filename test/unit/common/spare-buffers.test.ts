import { expect, it } from 'vitest';
import { SpareBuffers } from '../../../lib/common/spare-buffers';

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

it('encodes texts in what came back; of short ones nothing comes back', () => {
  const spare = new SpareBuffers(1_000_000);
  const [short, long] = ['ü\ud800', 'ü'.repeat(10_000)];
  const first = spare.encode(long);
  expect(first.equals(Buffer.from(long))).toBe(true);
  expect(spare.encode(short).equals(Buffer.from(short))).toBe(true);
  spare.giveBack(spare.encode(short));
  spare.giveBack(first);
  const second = spare.encode(`${long}.`);
  expect(second.buffer).toBe(first.buffer);
  expect(second.equals(Buffer.from(`${long}.`))).toBe(true);
  expect(spare.encode(long).buffer).not.toBe(first.buffer);
});

it('keeps no larger ones than it is told: they would take the place of all others', () => {
  const spare = new SpareBuffers(1_000_000, 100_000);
  const [small, huge] = [spare.take(65_536), spare.take(100_001)];
  expect(huge.length).toBe(100_001);
  spare.giveBack(small);
  spare.giveBack(huge);
  expect(spare.take(1)).toBe(small);
  expect(spare.take(1).length).toBe(16_384);
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
