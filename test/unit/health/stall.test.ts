import { expect, it } from 'vitest';
import { Stall } from '../../../lib/health/stall';

const look = (stall: Stall, at: number, lag: number | undefined, inFlight = 0, progress = 0): number =>
  stall.look({ lag, inFlight, progress }, at);

it('counts from the look at which more waits than before, and nothing was done', () => {
  const stall = new Stall();
  expect(look(stall, 0, 0)).toBe(0);
  expect(look(stall, 1_000, 3)).toBe(0);
  expect(look(stall, 4_000, 3)).toBe(3_000);
  expect(look(stall, 9_000, 7)).toBe(8_000);
});

it('an idle hour before the first message is no stall', () => {
  const stall = new Stall();
  look(stall, 0, 0);
  expect(look(stall, 3_600_000, 1)).toBe(0);
});

it('a lag that only stays is none: behind the last message there may be a transaction marker', () => {
  const stall = new Stall();
  for (let at = 0; at < 600_000; at += 10_000) expect(look(stall, at, 1)).toBe(0);
});

it.each([
  ['a delivery that was taken or ended', 0, 1],
  ['one in flight, however long', 1, 0],
])('is over with %s', (_what, inFlight, progress) => {
  const stall = new Stall();
  look(stall, 0, 0);
  look(stall, 1_000, 5);
  expect(look(stall, 61_000, 5)).toBe(60_000);
  expect(look(stall, 62_000, 5, inFlight, progress)).toBe(0);
  expect(look(stall, 63_000, 5, 0, progress)).toBe(0);
});

it('is over when the lag went elsewhere: the partition was given to another', () => {
  const stall = new Stall();
  look(stall, 0, 0);
  look(stall, 1_000, 5);
  expect(look(stall, 30_000, 0)).toBe(0);
  expect(look(stall, 31_000, 0)).toBe(0);
});

it('goes on where the lag cannot be told for once', () => {
  const stall = new Stall();
  look(stall, 0, 0);
  look(stall, 1_000, 5);
  expect(look(stall, 11_000, undefined)).toBe(10_000);
  expect(look(stall, 21_000, 5)).toBe(20_000);
});
