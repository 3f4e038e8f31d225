import { describe, expect, it } from 'vitest';
import type { InboxItem } from '../../../../lib/streams/feedback-stream';
import { compareIds, entryFields, lastGeneratedId, nextId, parseXread, splitItems } from '../../../../lib/streams/redis/redis.inbox-entry';

const b = (text: string): Buffer => Buffer.from(text);
const item = (bytes: number): InboxItem => ({ field: 'frame', value: Buffer.alloc(bytes) });
const entries = [
  [b('5-0'), [b('o'), b('1')]],
  [b('5-1'), [b('f'), b('one'), b('c'), b('two'), b('other'), b('x'), b('f'), b('three')]],
];
const expected = {
  lastId: '5-1',
  entries: 2,
  bytes: 11,
  items: [
    { field: 'frame', value: b('one') },
    { field: 'control', value: b('two') },
    { field: 'frame', value: b('three') },
  ],
};

describe('parseXread', () => {
  it.each([
    ["RESP2's list", [[b('inbox'), entries]]],
    ['a flattened map', [b('inbox'), entries]],
    ["RESP3's map as an object", { inbox: entries }],
    ["RESP3's map", new Map([['inbox', entries]])],
  ])('takes %s', (_form, reply) => {
    expect(parseXread(reply)).toEqual(expected);
  });

  it.each([[null], [undefined], [[]], [[[b('inbox'), []]]], [{ inbox: [] }]])('nothing came: %j', (reply) => {
    expect(parseXread(reply)).toBeNull();
  });

  it.each([['text'], [7], [{}], [[b('inbox')]], [[[b('inbox'), b('x')]]], [[[b('inbox'), [b('x')]]]], [[[b('inbox'), [[7, []]]]]]])(
    'is of no known form: %j',
    (reply) => {
      expect(parseXread(reply)).toBeUndefined();
    },
  );

  it('passes over a deleted entry, a name without a value, and values that are no bytes', () => {
    const reply = [
      [
        b('i'),
        [
          [b('1-0'), null],
          [b('2-0'), [b('f'), 7, b('f'), b('x'), b('f')]],
        ],
      ],
    ];
    expect(parseXread(reply)).toEqual({ lastId: '2-0', entries: 2, bytes: 1, items: [{ field: 'frame', value: b('x') }] });
  });
});

describe('splitItems', () => {
  it('keeps what fits together, in order', () => {
    const items = Array.from({ length: 10 }, () => item(10));
    expect(splitItems(items, 10, 100)).toEqual([items]);
    expect(splitItems(items, 4, 1_000).map((group) => group.length)).toEqual([4, 4, 2]);
    expect(splitItems(items, 100, 35).map((group) => group.length)).toEqual([3, 3, 3, 1]);
    expect(splitItems(items, 4, 35).flat()).toEqual(items);
  });

  it('gives an item beyond the limit an entry of its own', () => {
    expect(splitItems([item(1), item(500), item(1)], 10, 100).map((group) => group.length)).toEqual([1, 1, 1]);
    expect(splitItems([])).toEqual([]);
  });
});

it('names fields after what they are', () => {
  expect(
    entryFields([
      { field: 'frame', value: b('a') },
      { field: 'control', value: b('b') },
    ]),
  ).toEqual(['f', b('a'), 'c', b('b')]);
});

describe('ids', () => {
  it('follow one another', () => {
    expect([nextId('5-0'), nextId('5-18446744073709551'), nextId('5')]).toEqual(['5-1', '5-18446744073709552', '5-1']);
  });

  it('compare as numbers', () => {
    expect(compareIds('9-0', '10-0')).toBe(-1);
    expect(compareIds('10-9', '10-10')).toBe(-1);
    expect(compareIds('10-1', '10-1')).toBe(0);
    expect(compareIds('1700000000000-1', '1699999999999-7')).toBe(1);
  });

  it('are found in both forms of XINFO', () => {
    expect(lastGeneratedId([b('length'), 1, b('last-generated-id'), b('5-1')])).toBe('5-1');
    expect(lastGeneratedId({ 'last-generated-id': '5-1' })).toBe('5-1');
    expect(lastGeneratedId(undefined)).toBeUndefined();
  });
});
