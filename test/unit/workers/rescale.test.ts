import { describe, expect, it } from 'vitest';
import { rescale, type RescaleFacts } from '../../../lib/workers/rescale';

const OLD = 60_000;

/** Active workers of these ages, the first started first. */
const aged = (...ages: readonly number[]) => ages.map((ageMs) => ({ ageMs, isActive: true }));

const decide = (facts: Partial<RescaleFacts>) => {
  const wanted = facts.wanted ?? 1;
  return rescale({ wanted, stillWanted: wanted, partitions: Infinity, workers: [], minWorkerAgeMs: 10_000, room: Infinity, ...facts });
};

describe('rescale', () => {
  it.each([
    ['starts the first', { wanted: 1 }, { start: 1, drain: [] }],
    ['starts several at once', { wanted: 4, workers: aged(OLD) }, { start: 3, drain: [] }],
    ['leaves as many as are wanted', { wanted: 2, workers: aged(OLD, OLD) }, { start: 0, drain: [] }],
    ['starts none where none is wanted', { wanted: 0 }, { start: 0, drain: [] }],
    ['ends all where none is wanted', { wanted: 0, workers: aged(OLD, OLD) }, { start: 0, drain: [0, 1] }],
    ['ends the last started first, several at once', { wanted: 1, workers: aged(OLD + 2, OLD, OLD + 1) }, { start: 0, drain: [1, 2] }],
    ['keeps what was wanted a moment ago', { wanted: 1, stillWanted: 3, workers: aged(OLD, OLD, OLD) }, { start: 0, drain: [] }],
    [
      'ends down to what was wanted a moment ago',
      { wanted: 1, stillWanted: 2, workers: aged(OLD + 2, OLD + 1, OLD) },
      { start: 0, drain: [2] },
    ],
    ['starts at once though less was wanted before', { wanted: 3, stillWanted: 3, workers: aged(OLD) }, { start: 2, drain: [] }],
    ['ends none that is younger than the least age', { wanted: 1, workers: aged(OLD, 9_999) }, { start: 0, drain: [] }],
    ['ends one of the least age', { wanted: 1, workers: aged(OLD, 10_000) }, { start: 0, drain: [1] }],
    ['ends no older one in the place of one that is too young', { wanted: 2, workers: aged(OLD, OLD, 1) }, { start: 0, drain: [] }],
    ['ends those old enough beside one that is not', { wanted: 1, workers: aged(OLD, OLD - 1, 1) }, { start: 0, drain: [1] }],
    ['does not count those that end', { wanted: 2, workers: [{ ageMs: OLD, isActive: false }, ...aged(OLD)] }, { start: 1, drain: [] }],
    ['does not end what ends', { wanted: 0, workers: [{ ageMs: OLD, isActive: false }, ...aged(OLD)] }, { start: 0, drain: [1] }],
    [
      'starts no more than there are partitions',
      { wanted: 8, partitions: 4, workers: aged(OLD) },
      { start: 3, drain: [], heldBy: 'partitions' },
    ],
    [
      'says so also where all are there',
      { wanted: 8, partitions: 4, workers: aged(1, 1, 1, 1) },
      { start: 0, drain: [], heldBy: 'partitions' },
    ],
    [
      'ends what has no partition',
      { wanted: 8, partitions: 1, workers: aged(OLD, OLD - 1) },
      { start: 0, drain: [1], heldBy: 'partitions' },
    ],
    ['starts as many as memory allows', { wanted: 4, workers: aged(OLD), room: 2 }, { start: 2, drain: [], heldBy: 'memory' }],
    ['starts none beyond memory', { wanted: 4, workers: aged(OLD), room: 0 }, { start: 0, drain: [], heldBy: 'memory' }],
    ['starts the first whatever memory says', { wanted: 4, room: 0 }, { start: 1, drain: [], heldBy: 'memory' }],
    ['is not held where one is enough', { wanted: 1, room: 0 }, { start: 1, drain: [] }],
    ['is not held by memory where nothing is missing', { wanted: 1, workers: aged(OLD), room: 0 }, { start: 0, drain: [] }],
  ] as [string, Partial<RescaleFacts>, ReturnType<typeof rescale>][])('%s', (_title, facts, expected) => {
    expect(decide(facts)).toEqual(expected);
  });
});
