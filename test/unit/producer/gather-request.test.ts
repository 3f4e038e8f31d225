import { describe, expect, it } from 'vitest';
import { StreambackLaneError, StreambackPublishError } from '../../../lib/common/errors';
import { GatherRequest, type GatherResult } from '../../../lib/producer/gather-request';
import type { PendingRequest } from '../../../lib/producer/pending-request';
import type { Frame } from '../../../lib/protocol/frame';
import { ManualClock } from '../../support/manual-clock';

function setup(wish: { groups?: string[]; count?: number } = { groups: ['a', 'b'] }, credit = 256) {
  const clock = new ManualClock();
  const results: GatherResult[] = [];
  const seen: unknown[] = [];
  const over: string[] = [];
  const grants: string[] = [];
  const unwanted: string[] = [];
  const parts: PendingRequest[] = [];
  const request = new GatherRequest(
    'offers',
    { ...wish, timeoutMs: 5_000 },
    {
      next: (result) => results.push(result as GatherResult),
      error: (error) => seen.push(error),
      complete: () => seen.push('complete'),
    },
    {
      deadline: clock.now() + 5_000,
      idleTimeoutMs: 1_000,
      credit,
      feedback: 'inbox',
      isChosen: false,
      owner: {
        budget: { bytes: 1_000_000 },
        now: () => clock.now(),
        onOver: (each, cancel) => over.push(`${each === request ? 'whole' : each.group} ${cancel}`),
        onGrant: (each, upTo) => grants.push(`${each.instance} ${upTo}`),
        onListen: () => {},
        onRoom: () => {},
        onPart: (part) => parts.push(part),
        onUnwanted: ({ sourceGroup, instance }) => unwanted.push(`${sourceGroup} ${instance}`),
      },
    },
  );
  const seqs = new Map<string, number>();
  const frame = (group: string, event: Frame['event'], fields: Partial<Frame> = {}): void => {
    const instance = fields.instance ?? `inbox_${group}`;
    const seq = seqs.get(instance) ?? 0;
    seqs.set(instance, seq + 1);
    const given = { event, values: [], id: request.id, run: 0, attempt: 1, bytes: 100, seq };
    request.onFrame({ ...given, sourceGroup: group, ...fields, instance });
  };
  return { clock, request, results, seen, over, grants, unwanted, parts, frame };
}

describe('GatherRequest', () => {
  it('ends when all groups have, with what each has answered in its order', () => {
    const { frame, results, seen, over, parts, request } = setup();
    frame('b', 'response', { values: ['b1'] });
    frame('a', 'response', { values: ['a1'] });
    frame('b', 'response_end', { values: ['b2'] });
    expect(results).toEqual([]);
    frame('a', 'response_end');
    const answers = [
      { group: 'b', values: ['b1', 'b2'] },
      { group: 'a', values: ['a1'] },
    ];
    expect([results, seen]).toEqual([[{ answers, missing: [], complete: true }], ['complete']]);
    // Others may not have come to it: it is forsaken.
    expect(over).toEqual(['b false', 'a false', 'whole true']);
    expect(parts.map(({ id, isPart, key }) => [id === request.id, isPart, key])).toEqual([
      [true, true, `${request.id} b`],
      [true, true, `${request.id} a`],
    ]);
  });

  it('credit goes to the consumer of each group', () => {
    const { frame, grants } = setup({ groups: ['a', 'b'] }, 2);
    for (const group of ['a', 'b', 'a', 'b']) frame(group, 'response', { values: [1] });
    expect(grants.length).toBeGreaterThanOrEqual(2);
    expect(new Set(grants.map((each) => each.split(' ')[0]))).toEqual(new Set(['inbox_a', 'inbox_b']));
  });

  it('what other groups, and runs of a group that has ended, begin is unwanted', () => {
    const { frame, unwanted, results } = setup();
    frame('c', 'response', { values: [1] });
    frame('a', 'response_end', { values: [1] });
    frame('a', 'response', { values: [1], instance: 'inbox_again', run: 1 });
    frame('b', 'response_end', { values: [1] });
    frame('b', 'response', { values: [1], instance: 'inbox_late', run: 1 });
    expect(unwanted).toEqual(['c inbox_c', 'a inbox_again', 'b inbox_late']);
    expect(results[0]!.answers).toEqual(['a', 'b'].map((group) => ({ group, values: [1] })));
  });

  it('a group that restarts, falls silent, or is lost has an error of its own', () => {
    const { frame, results, clock, parts } = setup({ groups: ['a', 'b', 'c', 'd'] });
    frame('a', 'response', { values: [1] });
    frame('a', 'response', { values: [1], instance: 'inbox_other', run: 1 });
    frame('b', 'response', { values: [1] });
    parts[1]!.consumerLost();
    frame('c', 'response', { values: [1] });
    clock.advance(1_000);
    parts[2]!.expire();
    frame('d', 'response_end', { values: [1] });
    expect(results[0]).toMatchObject({ missing: [], complete: true });
    expect(results[0]!.answers.map(({ group, values, error }) => [group, values, (error as { code?: string } | undefined)?.code])).toEqual([
      ['a', [1], 'RESTARTED'],
      ['b', [1], 'CONSUMER_LOST'],
      ['c', [1], 'IDLE_TIMEOUT'],
      ['d', [1], undefined],
    ]);
  });

  it('errs when the time is up and the broker has not even acknowledged it: no group was silent', () => {
    const { request, results, seen, clock } = setup();
    clock.advance(5_000);
    request.expire();
    expect(results).toEqual([]);
    expect(seen).toEqual([expect.objectContaining({ code: 'DEADLINE_EXCEEDED', waitingFor: 'broker' })]);
  });

  it('gives a result without answers when the time is up and the broker has it', () => {
    const { request, results, clock } = setup();
    request.acknowledged();
    clock.advance(5_000);
    request.expire();
    expect(results).toEqual([{ answers: [], missing: ['a', 'b'], complete: false }]);
  });

  it('when the time is up it gives what there is, and what goes on is cancelled', () => {
    const { frame, results, seen, over, clock, request } = setup({ groups: ['a', 'b', 'c', 'd'] });
    frame('a', 'response_end', { values: [1] });
    frame('b', 'response', { values: [2] });
    frame('c', 'accepted');
    expect(request.expiresAt).toBe(clock.now() + 5_000);
    request.expire();
    expect(results).toEqual([
      {
        answers: [
          { group: 'a', values: [1] },
          { group: 'b', values: [2], error: expect.objectContaining({ code: 'DEADLINE_EXCEEDED', waitingFor: 'next-answer' }) },
        ],
        missing: ['b', 'c', 'd'],
        complete: false,
      },
    ]);
    expect([seen, over.toSorted()]).toEqual([['complete'], ['a false', 'b true', 'c true', 'whole true'].toSorted()]);
  });

  it('counts groups that have ended, and leaves out the others', () => {
    const { frame, results, over } = setup({ count: 2 });
    frame('a', 'response', { values: [1] });
    frame('b', 'response_end_with_error', { error: 'no', details: { value: 'no' } });
    frame('c', 'response_end', { values: [3] });
    const answers = [
      { group: 'b', values: [], error: 'no' },
      { group: 'c', values: [3] },
    ];
    expect(results).toEqual([{ answers, missing: [], complete: true }]);
    expect(over).toContain('a true');
  });

  it('a loss of the inbox is that of the whole; what was answered proves a publish', () => {
    const { frame, request, results, seen, over } = setup();
    frame('a', 'response', { values: [1] });
    request.unpublished(new StreambackPublishError('PUBLISH_TIMEOUT', 'late'));
    expect(request.isOver).toBe(false);
    const lost = new StreambackLaneError('INBOX_LOST', 'gone');
    request.fail(lost);
    expect([results, seen, over]).toEqual([[], [lost], ['a true', 'whole false']]);
    const unsent = setup();
    const error = new StreambackPublishError('TOO_LARGE', 'large');
    unsent.request.unpublished(error);
    expect(unsent.seen).toEqual([error]);
  });

  it('closed, it tells nothing, and cancels what goes on', () => {
    const { frame, request, results, seen, over } = setup();
    frame('a', 'response', { values: [1] });
    request.close();
    frame('a', 'response_end');
    expect([results, seen, over.toSorted()]).toEqual([[], [], ['a true', 'whole true']]);
  });
});
