import { expect, it } from 'vitest';
import { ClientCheck } from '../../../lib/consumer/client-check';
import type { FeedbackStream } from '../../../lib/streams/feedback-stream';

it('F7: asks once a tick for all, and takes for living what cannot be told', async () => {
  const asked: (readonly string[])[] = [];
  let failure: Error | undefined;
  const alive: FeedbackStream['alive'] = async (inboxes) => {
    asked.push(inboxes);
    if (failure) throw failure;
    return new Set(['a']);
  };
  const check = new ClientCheck({ alive } as FeedbackStream, 5_000);
  expect(await Promise.all([check.isAlive('a'), check.isAlive('b'), check.isAlive('a')])).toEqual([true, false, true]);
  expect(await check.isAlive('b')).toBe(false);
  expect(asked).toEqual([['a', 'b'], ['b']]);
  failure = new Error('down');
  expect(await check.isAlive('b')).toBe(true);
});
