import { describe, expect, it } from 'vitest';
import { Sequence } from '../../../bench/sequence';

/** What is told of answers that come as `ids`, of five that are numbered from 10. */
function told(...ids: number[]): { missing: number; twice: number; disordered: number } {
  const sequence = new Sequence();
  sequence.begin(10, 5);
  for (const id of ids) sequence.take(id);
  const { missing, twice, disordered } = sequence;
  return { missing, twice, disordered };
}

describe('a sequence of answers', () => {
  it.each([
    ['all of them', [10, 11, 12, 13, 14], { missing: 0, twice: 0, disordered: 0 }],
    ['none', [], { missing: 5, twice: 0, disordered: 0 }],
    ['one that is lost', [10, 11, 13, 14], { missing: 1, twice: 0, disordered: 1 }],
    ['one that is lost at the end', [10, 11, 12, 13], { missing: 1, twice: 0, disordered: 0 }],
    ['one that comes too late', [10, 12, 13, 11, 14], { missing: 0, twice: 0, disordered: 1 }],
    ['one that comes again', [10, 11, 11, 12, 13, 14], { missing: 0, twice: 1, disordered: 0 }],
    ['a late one that comes again', [10, 12, 11, 11, 13, 14], { missing: 0, twice: 1, disordered: 1 }],
    ['one again while another is lost', [10, 11, 11, 13, 14], { missing: 1, twice: 1, disordered: 1 }],
    ['the last one first', [14, 10, 11, 12, 13], { missing: 0, twice: 0, disordered: 1 }],
    ['one that nobody asked for', [10, 11, 12, 13, 14, 15], { missing: 0, twice: 1, disordered: 0 }],
  ])('tells %s', (_title, ids, expected) => {
    expect(told(...ids)).toEqual(expected);
  });

  it('begins anew with the next request', () => {
    const sequence = new Sequence();
    sequence.begin(0, 4);
    for (const id of [0, 2, 2]) sequence.take(id);
    sequence.begin(7, 2);
    for (const id of [7, 2, 8]) sequence.take(id);
    expect(sequence).toMatchObject({ missing: 0, twice: 1, disordered: 0 });
  });
});
