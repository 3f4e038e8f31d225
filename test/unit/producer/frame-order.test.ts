import { describe, expect, it } from 'vitest';
import { FrameOrder } from '../../../lib/producer/frame-order';
import type { Frame } from '../../../lib/protocol/frame';

type Short = readonly [
  event: 'v' | 'a' | 'end' | 'last' | 'error' | 'unknown',
  seq?: number,
  run?: number,
  attempt?: number,
  instance?: string,
];

const EVENTS = {
  v: 'response',
  a: 'accepted',
  end: 'response_end',
  last: 'response_end',
  error: 'response_end_with_error',
  unknown: 'unreadable',
} as const;

function frame([event, seq, run = 0, attempt = 1, instance = 'A']: Short): Frame {
  return {
    event: EVENTS[event],
    values: event === 'v' || event === 'last' ? [seq] : [],
    sourceGroup: 'g',
    id: 'r',
    seq,
    run,
    attempt,
    instance,
    bytes: 1,
  };
}

const verdicts = (frames: readonly Short[]): string[] => {
  const order = new FrameOrder();
  return frames.map((short) => {
    const verdict = order.accept(frame(short));
    return typeof verdict === 'string' ? verdict : verdict.code;
  });
};

describe('FrameOrder', () => {
  it.each<[string, ...(readonly [Short, string])[]]>([
    ['F1: delivers what comes in order', [['v', 0], 'deliver'], [['v', 1], 'deliver'], [['end', 2], 'deliver']],
    [
      'F1: drops duplicates',
      [['v', 0], 'deliver'],
      [['v', 0], 'drop'],
      [['v', 1], 'deliver'],
      [['v', 0], 'drop'],
      [['v', 1], 'drop'],
      [['v', 2], 'deliver'],
    ],
    [
      'F1: a batch that was written twice',
      [['v', 0], 'deliver'],
      [['v', 1], 'deliver'],
      [['v', 0], 'drop'],
      [['v', 1], 'drop'],
      [['end', 2], 'deliver'],
      [['end', 2], 'drop'],
    ],
    ['F1: a gap in the middle', [['v', 0], 'deliver'], [['v', 2], 'GAP']],
    ['F1: a gap at the start', [['v', 1], 'GAP']],
    ['F1: a gap before the end', [['v', 0], 'deliver'], [['end', 5], 'GAP']],
    ['F4: a lower run is dropped', [['v', 0, 5], 'deliver'], [['v', 0, 4], 'drop'], [['v', 1, 4], 'drop'], [['v', 1, 5], 'deliver']],
    ['F4: a lower try is dropped', [['v', 0, 5, 2], 'deliver'], [['v', 1, 5, 1], 'drop'], [['v', 0, 4, 9], 'drop']],
    [
      'F4: of equal ranks the first seen stays',
      [['v', 0, 5, 1, 'A'], 'deliver'],
      [['v', 0, 5, 1, 'B'], 'drop'],
      [['v', 1, 5, 1, 'B'], 'drop'],
      [['v', 1, 5, 1, 'A'], 'deliver'],
    ],
    [
      'F4: a higher run is followed while nothing was given',
      [['a', 0, 1], 'deliver'],
      [['v', 0, 2, 1, 'B'], 'deliver'],
      [['v', 1, 1], 'drop'],
      [['v', 1, 2, 1, 'B'], 'deliver'],
    ],
    [
      'F4: a higher try is followed while nothing was given',
      [['a', 0, 1, 1], 'deliver'],
      [['a', 0, 1, 2], 'deliver'],
      [['v', 1, 1, 2], 'deliver'],
    ],
    ['F4: a higher run errs after answers were given', [['v', 0, 1], 'deliver'], [['v', 0, 2], 'RESTARTED']],
    ['F4: a higher try errs after answers were given', [['v', 0, 1, 1], 'deliver'], [['v', 0, 1, 2], 'RESTARTED']],
    ['F4: a higher run of another consumer errs too', [['v', 0, 1], 'deliver'], [['end', 0, 2, 1, 'B'], 'RESTARTED']],
    ['F1: a gap at the start of a higher run', [['a', 0, 1], 'deliver'], [['v', 1, 2], 'GAP']],
    ['a frame of an unknown kind', [['unknown', 0], 'MALFORMED_FRAME']],
    ['a frame without seq, though it has an id', [['v'], 'MALFORMED_FRAME']],
  ])('%s', (_name, ...steps) => {
    expect(verdicts(steps.map(([short]) => short))).toEqual(steps.map(([, verdict]) => verdict));
  });

  it('F1: counts the answers of a frame that has several, drops it when it comes again, and finds what is missing', () => {
    const order = new FrameOrder();
    const several = (seq: number, values: readonly unknown[]): Frame => ({ ...frame(['v', seq]), values });
    expect(order.accept(several(0, [0, 1, 2]))).toBe('deliver');
    expect(order.accept(several(0, [0, 1, 2]))).toBe('drop');
    expect(order.accept(several(3, [3]))).toBe('deliver');
    expect(order.accept(several(2, [2, 3]))).toBe('drop');
    expect(order.accept(several(3, [3, 4]))).toMatchObject({ code: 'MALFORMED_FRAME' });
    expect(order.accept(several(6, [6, 7]))).toMatchObject({ code: 'GAP', message: expect.stringContaining('2 answers are lost') });
  });

  it("takes Python's frames, which have no number, as they come", () => {
    const order = new FrameOrder();
    for (const event of ['response', 'response', 'response_end'] as const) {
      expect(order.accept({ event, values: [1], sourceGroup: 'py', bytes: 1 })).toBe('deliver');
    }
    expect([order.instance, order.currentAttempt]).toEqual([undefined, 1]);
  });

  const plain = (sourceGroup: string | null, value: unknown = 1): Frame => ({
    event: 'response',
    values: [value],
    sourceGroup,
    bytes: 1,
  });
  const numbered = (sourceGroup: string, short: Short): Frame => ({ ...frame(short), sourceGroup });
  const verdict = (order: FrameOrder, given: Frame): string => {
    const said = order.accept(given);
    return typeof said === 'string' ? said : said.code;
  };

  it("F4: of several groups of Python's the first to answer is followed", () => {
    const order = new FrameOrder();
    expect(['one', 'two', null, 'one'].map((group) => verdict(order, plain(group)))).toEqual(['deliver', 'drop', 'drop', 'deliver']);
    expect([order.isPlain, verdict(order, numbered('two', ['v', 0]))]).toEqual([true, 'drop']);
  });

  it('F4: fromGroup is followed alone, whoever answers first', () => {
    const order = new FrameOrder({ fromGroup: 'two' });
    expect(order.droppedGroup).toBeUndefined();
    expect([plain('one'), numbered('g', ['v', 0]), numbered('g', ['unknown', 1])].map((given) => verdict(order, given))).toEqual([
      'drop',
      'drop',
      'drop',
    ]);
    expect(order.droppedGroup).toBe('g');
    expect([plain('two'), plain('one'), plain('two')].map((given) => verdict(order, given))).toEqual(['deliver', 'drop', 'deliver']);
  });

  it('F4: in a group with members of both kinds the other kind may begin anew, before answers or where restarts are followed', () => {
    const accepted = numbered('g', ['a', 0]);
    const steps: [Frame[], FrameOrder, string[]][] = [
      [[accepted, plain('g'), plain('g')], new FrameOrder(), ['deliver', 'deliver', 'deliver']],
      [[numbered('g', ['v', 0]), plain('g')], new FrameOrder(), ['deliver', 'RESTARTED']],
      [[plain('g'), numbered('g', ['v', 0])], new FrameOrder(), ['deliver', 'RESTARTED']],
      [[plain('g'), numbered('g', ['v', 0]), plain('g')], new FrameOrder({ followsRestarts: true }), ['deliver', 'deliver', 'deliver']],
    ];
    for (const [frames, order, expected] of steps) expect(frames.map((given) => verdict(order, given))).toEqual(expected);
  });

  it('F1: one that begins midway takes the first number for its own, and holds all after it to their order', () => {
    const order = new FrameOrder({ midway: true });
    expect([5, 6, 6, 8].map((seq) => verdict(order, frame(['v', seq])))).toEqual(['deliver', 'deliver', 'drop', 'GAP']);
    const restarted = new FrameOrder({ midway: true, followsRestarts: true });
    expect([frame(['v', 5, 1]), frame(['v', 1, 2])].map((given) => verdict(restarted, given))).toEqual(['deliver', 'GAP']);
  });

  it.each(['run', 'attempt', 'instance'] as const)('refuses a numbered frame without %s', (field) => {
    expect(new FrameOrder().accept({ ...frame(['v', 0]), [field]: undefined })).toMatchObject({ code: 'MALFORMED_FRAME' });
  });

  it('says how many are lost', () => {
    expect(new FrameOrder().accept(frame(['v', 3]))).toMatchObject({
      message: '3 answers are lost: number 3 came where 0 was due',
      retryable: true,
    });
  });

  it('knows whom it follows', () => {
    const order = new FrameOrder();
    order.accept(frame(['a', 0, 1, 1, 'A']));
    expect([order.instance, order.currentAttempt]).toEqual(['A', 1]);
    order.accept(frame(['a', 0, 2, 3, 'B']));
    expect([order.instance, order.currentAttempt]).toEqual(['B', 3]);
    order.accept(frame(['a', 1, 1, 1, 'A']));
    expect(order.instance).toBe('B');
  });

  it('F4: one that asked to see restarts follows the newest run after answers, too, and counts the attempts itself', () => {
    const order = new FrameOrder({ followsRestarts: true });
    const seen = (short: Short) => [order.accept(frame(short)), order.currentAttempt, order.hasEmitted];
    expect(seen(['v', 0, 5, 1, 'A'])).toEqual(['deliver', 1, true]);
    expect(seen(['v', 0, 5, 2, 'A'])).toEqual(['deliver', 2, true]);
    expect(seen(['a', 0, 6, 1, 'B'])).toEqual(['deliver', 3, false]);
    expect(seen(['v', 1, 5, 2, 'A'])).toEqual(['drop', 3, false]);
    expect(seen(['v', 1, 6, 1, 'B'])).toEqual(['deliver', 3, true]);
    expect(order.accept(frame(['v', 3, 7, 1, 'C']))).toMatchObject({ code: 'GAP' });
  });

  it('F4: after a loss another consumer is followed from its start; the same one is followed on, should it live', () => {
    const order = new FrameOrder({ followsRestarts: true });
    order.accept(frame(['v', 0, 5, 1, 'A']));
    order.forget();
    expect(order.instance).toBeUndefined();
    expect(order.accept(frame(['v', 1, 5, 1, 'A']))).toBe('deliver');
    expect([order.instance, order.runs]).toEqual(['A', 1]);
    order.forget();
    expect(order.accept({ ...frame(['v', 0, 9, 1, 'X']), sourceGroup: 'other' })).toBe('drop');
    expect(order.accept(frame(['v', 0, 5, 1, 'B']))).toBe('deliver');
    expect([order.instance, order.runs, order.currentAttempt]).toEqual(['B', 2, 2]);
  });

  it('F4: follows the first group to answer, whatever the rank of another', () => {
    const order = new FrameOrder();
    const from = (group: string, short: Short) => order.accept({ ...frame(short), sourceGroup: group });
    expect([
      from('one', ['v', 0, 3]),
      from('two', ['v', 0, 7, 1, 'B']),
      from('one', ['v', 1, 3]),
      from('two', ['end', 1, 7, 1, 'B']),
      from('one', ['end', 2, 3]),
    ]).toEqual(['deliver', 'drop', 'deliver', 'drop', 'deliver']);
  });

  it('F2: goes on with a consumer that was held to be gone and was only away, and with another from its beginning', () => {
    const accept = (order: FrameOrder, short: Short): string => String(order.accept(frame(short)));
    const [same, other] = [new FrameOrder(), new FrameOrder()];
    for (const order of [same, other]) {
      expect(accept(order, ['a', 0])).toBe('deliver');
      order.forget();
      expect(order.instance).toBeUndefined();
    }
    expect([accept(same, ['v', 1]), accept(same, ['end', 2]), same.instance]).toEqual(['deliver', 'deliver', 'A']);
    expect([accept(other, ['v', 0, 0, 1, 'B']), accept(other, ['v', 1, 0, 1, 'A']), other.instance]).toEqual(['deliver', 'drop', 'B']);
  });

  it('F4: a group whose first answers were dropped is not taken up in the middle, nor held to have lost any', () => {
    const order = new FrameOrder();
    const of = (sourceGroup: string, short: Short): string => String(order.accept({ ...frame(short), sourceGroup }));
    expect([of('g', ['a', 0]), of('other', ['a', 0, 5, 1, 'B'])]).toEqual(['deliver', 'drop']);
    order.forget();
    expect([of('other', ['v', 1, 5, 1, 'B']), of('other', ['v', 0, 6, 1, 'B'])]).toEqual(['drop', 'deliver']);
  });
});
