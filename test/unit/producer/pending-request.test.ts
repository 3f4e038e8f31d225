import { describe, expect, it } from 'vitest';
import { StreambackLaneError } from '../../../lib/common/errors';
import { PendingRequest } from '../../../lib/producer/pending-request';
import type { Frame } from '../../../lib/protocol/frame';
import { ManualClock } from '../../support/manual-clock';

interface Setup {
  timeoutMs?: number;
  idleTimeoutMs?: number;
  onRestart?: (attempt: number, before: number) => void;
}

function setup({ timeoutMs = Infinity, idleTimeoutMs = 60_000, onRestart }: Setup = {}) {
  const clock = new ManualClock();
  const seen: unknown[] = [];
  const over: boolean[] = [];
  const grants: number[] = [];
  const request = new PendingRequest(
    'r',
    'reports.build',
    {
      ...(onRestart && { restart: onRestart }),
      next: (value) => seen.push(value),
      error: (error) => seen.push({ error }),
      complete: () => seen.push('complete'),
    },
    clock.now() + timeoutMs,
    idleTimeoutMs,
    256,
    {
      budget: { bytes: 1_000_000 },
      now: () => clock.now(),
      onOver: (_request, cancel) => over.push(cancel),
      onGrant: (_request, upTo) => grants.push(upTo),
      onListen: () => {},
      onRoom: () => {},
    },
  );
  let seq = 0;
  const frame = (event: Frame['event'], fields: Partial<Frame> = {}): void =>
    request.onFrame({
      event,
      values: [],
      sourceGroup: 'g',
      id: 'r',
      seq: seq++,
      run: 0,
      attempt: 1,
      instance: 'streamback_inbox_c',
      bytes: 100,
      ...fields,
    });
  const error = (): unknown => (seen.at(-1) as { error: unknown }).error;
  return { clock, seen, over, grants, request, frame, error };
}

describe('PendingRequest', () => {
  it('gives answers as they come, and completes at the end', () => {
    const { seen, over, request, frame } = setup();
    expect(request.group).toBeNull();
    frame('accepted');
    frame('response', { values: [1] });
    frame('response', { values: [null] });
    expect([request.group, request.attempt, request.instance]).toEqual(['g', 1, 'streamback_inbox_c']);
    frame('response_end');
    expect(seen).toEqual([1, null, 'complete']);
    expect(over).toEqual([false]);
    expect(request.isOver).toBe(true);
  });

  it('gives the answer that rides on the end before it completes', () => {
    const { seen, frame } = setup();
    frame('response_end', { values: ['only'] });
    expect(seen).toEqual(['only', 'complete']);
  });

  it.each(['response', 'response_end'] as const)('gives nothing more once its reader has closed amid the answers of one %s', (event) => {
    const { request, frame, seen } = setup();
    const given: unknown[] = [];
    seen.push = (value) => {
      given.push(value);
      if (value === 2) request.close();
      return 0;
    };
    frame(event, { values: [1, 2, 3, 4] });
    expect(given).toEqual([1, 2]);
  });

  it('is over before its last answer is given: unsubscribing there cancels nothing', () => {
    const { over, request, frame, seen } = setup();
    seen.push = (value) => {
      if (value === 'only') request.close();
      return 0;
    };
    frame('response_end', { values: ['only'] });
    expect(over).toEqual([false]);
  });

  it.each<[string, Partial<Frame>, unknown]>([
    [
      'the value that exception filters made',
      { error: 'text', details: { value: { status: 'error', message: 'x' } } },
      { status: 'error', message: 'x' },
    ],
    ['a value that is falsy', { error: 'text', details: { value: 0 } }, 0],
    ["Python's text, in Nest's form", { error: "Exception('boom')" }, { status: 'error', message: "Exception('boom')" }],
    ['no text', {}, { status: 'error', message: 'Internal server error' }],
    [
      'an answer that could not be sent',
      { error: 'big', details: { code: 'TOO_LARGE' } },
      expect.objectContaining({ code: 'TOO_LARGE', name: 'StreambackPublishError' }),
    ],
    ['a code that is no such code', { error: 'text', details: { code: 'CANCELLED' } }, { status: 'error', message: 'text' }],
    ['a code out of thin air', { error: 'text', details: { code: 'constructor' } }, { status: 'error', message: 'text' }],
  ])('errs with %s', (_name, fields, wanted) => {
    const { over, frame, error, seen } = setup();
    frame('response', { values: [1] });
    frame('response_end_with_error', fields);
    expect(error()).toEqual(wanted);
    expect(over).toEqual([false]);
    expect(seen).toHaveLength(2);
  });

  it('drops what comes after the end, whatever it is', () => {
    const { seen, over, request, frame } = setup();
    frame('response_end');
    frame('response', { values: [1] });
    frame('response_end_with_error', { error: 'late' });
    request.expire();
    request.unpublished(new Error('late'));
    request.fail(new Error('late'));
    request.close();
    expect(seen).toEqual(['complete']);
    expect(over).toEqual([false]);
  });

  it('F1: errs at a gap, and has the handler stopped', () => {
    const { over, frame, error } = setup();
    frame('response', { values: [1] });
    frame('response', { values: [3], seq: 2 });
    expect(error()).toMatchObject({ code: 'GAP' });
    expect(over).toEqual([true]);
  });

  it('close gives nothing more, and has the handler stopped', () => {
    const { seen, over, request, frame } = setup();
    frame('response', { values: [1] });
    request.close();
    request.close();
    frame('response', { values: [2] });
    expect(seen).toEqual([1]);
    expect(over).toEqual([true]);
  });

  it('F7: says at a timeout what it waited for', () => {
    const waits: unknown[] = [];
    for (const steps of [0, 1, 2, 3]) {
      const { clock, request, frame, error } = setup({ idleTimeoutMs: 100 });
      if (steps >= 1) request.acknowledged();
      if (steps >= 2) frame('accepted');
      if (steps >= 3) frame('response', { values: [1] });
      clock.advance(100);
      request.expire();
      waits.push((error() as { waitingFor: string }).waitingFor);
      expect(error()).toMatchObject({ code: 'IDLE_TIMEOUT', message: expect.stringMatching(/^'reports.build' waited 100 ms for .+/) });
    }
    expect(waits).toEqual(['broker', 'consumer', 'first-answer', 'next-answer']);
  });

  it('an acknowledgement that comes after the first frame takes nothing back', () => {
    const { clock, request, frame, error } = setup({ idleTimeoutMs: 100 });
    frame('response', { values: [1] });
    request.acknowledged();
    clock.advance(100);
    request.expire();
    expect(error()).toMatchObject({ waitingFor: 'next-answer' });
  });

  it('F7: each frame gives a full idle timeout again, but moves no deadline', () => {
    const { clock, request, frame, error, over } = setup({ idleTimeoutMs: 100, timeoutMs: 250 });
    const start = clock.now();
    expect(request.expiresAt).toBe(start + 100);
    clock.advance(90);
    frame('response', { values: [1] });
    expect(request.expiresAt).toBe(start + 190);
    clock.advance(90);
    frame('accepted');
    expect(request.expiresAt).toBe(start + 250);
    clock.advance(70);
    request.expire();
    expect(error()).toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true });
    expect(over).toEqual([true]);
  });

  it('a duplicate is no sign of life', () => {
    const { clock, request, frame } = setup({ idleTimeoutMs: 100 });
    frame('response', { values: [1] });
    const { expiresAt } = request;
    clock.advance(50);
    frame('response', { values: [1], seq: 0 });
    expect(request.expiresAt).toBe(expiresAt);
  });

  it('a failed publish fails it, unless an answer proved the opposite', () => {
    const failed = setup();
    const error = new Error('no ack');
    failed.request.unpublished(error);
    expect(failed.error()).toBe(error);
    const answered = setup();
    answered.frame('accepted');
    answered.request.unpublished(error);
    expect(answered.seen).toEqual([]);
    expect(answered.request.isOver).toBe(false);
  });

  describe('onRestart', () => {
    it('F4: is told before the first frame of the new attempt, once for each, and not while nothing was given', () => {
      const told: unknown[] = [];
      const { seen, frame, request } = setup({ onRestart: (attempt, before) => told.push([before, attempt, seen.length]) });
      frame('accepted', { attempt: 1, seq: 0 });
      frame('response', { values: ['two'], attempt: 2, seq: 0 });
      expect(told).toEqual([]);
      frame('accepted', { attempt: 3, seq: 0 });
      frame('response', { values: ['three'], attempt: 3, seq: 1 });
      frame('response', { values: ['late'], attempt: 2, seq: 1 });
      frame('response_end', { values: ['four'], run: 1, attempt: 1, seq: 0 });
      expect(seen).toEqual(['two', 'three', 'four', 'complete']);
      expect(told).toEqual([
        [2, 3, 1],
        [3, 4, 2],
      ]);
      expect(request.attempt).toBe(4);
    });

    it('gives nothing to a reader that leaves when it is told', () => {
      const { seen, over, frame, request } = setup({ onRestart: () => request.close() });
      frame('response', { values: [1], seq: 0 });
      frame('response', { values: [2], seq: 0, attempt: 2 });
      expect([seen, over]).toEqual([[1], [true]]);
    });

    it('F5: the credit of the new attempt begins anew', () => {
      const { frame, grants, request } = setup({ onRestart: () => {} });
      for (let seq = 0; seq < 300; seq++) frame('response', { values: [seq], seq });
      expect(grants.at(-1)).toBeGreaterThan(256);
      const before = grants.length;
      for (let seq = 0; seq < 100; seq++) frame('response', { values: [seq], seq, attempt: 2 });
      expect([grants.length, request.upTo]).toEqual([before, 256]);
      for (let seq = 100; seq < 128; seq++) frame('response', { values: [seq], seq, attempt: 2 });
      expect(grants[before]).toBeGreaterThan(256);
    });

    it('F2: a lost consumer is waited for, after answers too, until the time is up', () => {
      const { clock, request, frame, error, seen } = setup({ onRestart: () => {}, idleTimeoutMs: 100 });
      frame('response', { values: [1] });
      request.consumerLost();
      expect([seen, request.instance]).toEqual([[1], undefined]);
      clock.advance(100);
      request.expire();
      expect(error()).toMatchObject({ code: 'IDLE_TIMEOUT', waitingFor: 'consumer' });
    });

    it('F2, F4: without it a restart and a lost consumer are errors', () => {
      const restarted = setup();
      restarted.frame('response', { values: [1] });
      restarted.frame('response', { values: [1], seq: 0, attempt: 2 });
      expect(restarted.error()).toMatchObject({ code: 'RESTARTED' });
      const lost = setup();
      lost.frame('response', { values: [1] });
      lost.request.consumerLost();
      expect(lost.error()).toMatchObject({ code: 'CONSUMER_LOST' });
    });
  });

  it('cancels nothing where the inbox is gone: the handler is told so when it writes', () => {
    const { request, over } = setup();
    request.fail(new StreambackLaneError('INBOX_LOST', 'gone'));
    expect(over).toEqual([false]);
  });
});
