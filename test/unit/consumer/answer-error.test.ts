import { describe, expect, it } from 'vitest';
import { StreambackLaneError, StreambackPublishError } from '../../../lib/common/errors';
import { answerError, refusedAnswer } from '../../../lib/consumer/answer-error';

const INTERNAL = { text: 'Internal server error', details: { value: { status: 'error', message: 'Internal server error' } } };

describe('answerError', () => {
  it.each([
    [
      { status: 'error', message: 'x' },
      { text: 'x', details: { value: { status: 'error', message: 'x' } } },
    ],
    [{ code: 7 }, { text: '{"code":7}', details: { value: { code: 7 } } }],
    [{ message: { deep: 1 } }, { text: '{"message":{"deep":1}}', details: { value: { message: { deep: 1 } } } }],
    ['text', { text: 'text', details: { value: 'text' } }],
    [0, { text: '0', details: { value: 0 } }],
    [null, { text: 'null', details: { value: null } }],
    [undefined, INTERNAL],
    [1n, INTERNAL],
    [() => 1, INTERNAL],
  ])('tells of a value what %# says', (value, wanted) => {
    expect(answerError(new Error('inner'), () => value, 1_000)).toEqual(wanted);
  });

  it('tells an answer that could not be sent by its code', () => {
    expect(refusedAnswer(new StreambackPublishError('TOO_LARGE', 'big'))).toEqual({ text: 'big', details: { code: 'TOO_LARGE' } });
  });

  it('tells an error of ours that a handler threw as any other: it must not pose as one of the request itself', () => {
    for (const error of [new StreambackPublishError('TOO_LARGE', 'big'), new StreambackLaneError('NO_LISTENER', 'nobody')])
      expect(answerError(error, () => 'other', 1_000)).toEqual({ text: 'other', details: { value: 'other' } });
  });

  it('tells of an error beyond the limit only that it is', () => {
    expect(answerError('x', () => 'y'.repeat(2_000), 1_000)).toMatchObject({ details: { code: 'TOO_LARGE' } });
  });

  it('tells nothing of what has a cycle, and no stack', () => {
    const cycle: Record<string, unknown> = { message: 'secret' };
    cycle.self = cycle;
    expect(answerError('x', () => cycle, 1_000)).toEqual(INTERNAL);
    const error = new Error('boom');
    expect(JSON.stringify(answerError(error, () => ({ status: 'error', message: 'told', error }), 1_000))).not.toMatch(/boom|\.test\.ts/);
  });
});
