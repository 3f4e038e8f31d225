import { describe, expect, it } from 'vitest';
import { followsLag, processesFor, scaleOf } from '../../../lib/workers/scale';

const counts = (processes: unknown, lags: readonly number[]): number[] => {
  const scale = scaleOf(processes, 'processes')!;
  return lags.map((lag) => processesFor(scale, lag));
};

describe('scaleOf, as Python streamback has it', () => {
  it.each([
    ['a number: so many at any lag', 3, [0, 1, 1_000_000], [3, 3, 3]],
    [
      'steps: the first whose lag is not below the current one',
      [
        [0, 1],
        [100, 3],
        [1000, 8],
      ],
      [0, 1, 100, 101, 1_000, 1_001],
      [1, 3, 3, 8, 8, 8],
    ],
    [
      'steps that begin above 0',
      [
        [20, 1],
        [1_000, 4],
      ],
      [0, 20, 21, 1_000, 5_000],
      [1, 1, 4, 4, 4],
    ],
    [
      'steps in any order',
      [
        [1000, 8],
        [0, 1],
        [100, 3],
      ],
      [0, 1, 101],
      [1, 3, 8],
    ],
    ['a single step', [[100, 2]], [0, 100, 101], [2, 2, 2]],
    [
      'steps down to none',
      [
        [0, 0],
        [1, 1],
      ],
      [0, 1, 2],
      [0, 1, 1],
    ],
    ['none at all', [[0, 0]], [0, 5], [0, 0]],
    [
      '[min, max]: one more from the first message on, and for each 1,000',
      [1, 4],
      [0, 1, 1_000, 1_001, 2_000, 2_001, 3_001, 99_999],
      [1, 2, 2, 3, 3, 4, 4, 4],
    ],
    ['[min, max] from none', [0, 2], [0, 1, 1_001], [0, 1, 2]],
    ['[min, max] of the same', [2, 2], [0, 5_000], [2, 2]],
    ['more than 50 count as 50', 51, [0], [50]],
    [
      'more than 50 in a step',
      [
        [0, 1],
        [10, 500],
      ],
      [0, 5, 11],
      [1, 50, 50],
    ],
    ['more than 50 as max', [49, 60], [0, 1, 1_001], [49, 50, 50]],
    ['more than 50 as min', [60, 70], [0, 1], [50, 50]],
  ] as const)('%s', (_title, processes, lags, expected) => {
    expect(counts(processes, lags)).toEqual(expected);
  });

  it.each([0, []])('%j: the pool', (processes) => {
    expect(scaleOf(processes, 'processes')).toBeUndefined();
  });

  it.each([
    -1,
    1.5,
    NaN,
    Infinity,
    '4',
    null,
    true,
    {},
    [1],
    [1, 2, 3],
    [4, 1],
    [-1, 2],
    [[0]],
    [[0, 1, 2]],
    [[0, -1]],
    [[0, '1']],
    [1, [0, 1]],
    [null, 1],
  ])('%j is refused, and the option named', (processes) => {
    expect(() => scaleOf(processes, 'listener(a).processes')).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        option: 'listener(a).processes',
        remedy: expect.stringContaining('[[0, 1], [100, 3]]'),
      }),
    );
  });

  it('tells whether lag makes a difference', () => {
    const follows = (processes: unknown) => followsLag(scaleOf(processes, 'p')!);
    expect(
      [
        4,
        [2, 2],
        [
          [0, 1],
          [5, 1],
        ],
      ].map(follows),
    ).toEqual([false, false, false]);
    expect(
      [
        [1, 2],
        [
          [0, 1],
          [5, 2],
        ],
      ].map(follows),
    ).toEqual([true, true]);
  });
});
