import { expect, it } from 'vitest';
import { FairShare } from '../../../lib/streams/fair-share';

it('M7: one topic may take most, never what others need', () => {
  const shares = new FairShare(100, 4);
  let taken = 0;
  while (shares.hasRoom('backlog')) {
    shares.take('backlog');
    taken += 1;
  }
  expect(taken).toBe(75);
  let other = 0;
  while (shares.hasRoom('ping')) {
    shares.take('ping');
    other += 1;
  }
  expect([other, shares.inFlight]).toEqual([25, 100]);
  expect(shares.hasRoom('third')).toBe(false);
  shares.give('backlog', 50);
  expect([shares.hasRoom('backlog'), shares.hasRoom('third'), shares.inFlight]).toEqual([true, true, 50]);
});

it('a limit of one is one', () => {
  const shares = new FairShare(1, 3);
  shares.take('a');
  expect([shares.hasRoom('a'), shares.hasRoom('b')]).toEqual([false, false]);
});
