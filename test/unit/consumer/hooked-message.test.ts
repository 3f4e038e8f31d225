import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { StreambackAbortError } from '../../../lib/common/errors';
import { HookedMessage } from '../../../lib/consumer/hooked-message';
import { INBOX_LOST, Run } from '../../../lib/consumer/run';
import type { ConsumeResult } from '../../../lib/lifecycle/hooks';

const CANCELLED = new StreambackAbortError('CANCELLED', 'nobody waits');
const newRun = (): Run => new Run('id', {} as never, {} as never, 1, Infinity, null);

function hooked(begin?: () => Promise<void> | undefined) {
  const time = { now: 100 };
  const calls: string[] = [];
  const results: ConsumeResult[] = [];
  const message = new HookedMessage(
    {
      begin: () => (calls.push('begin'), begin?.()),
      end: (_run, result) => (calls.push('end'), results.push(result), undefined),
      error: (_run, error) => void calls.push(`error ${String(error)}`),
      cancel: (_run, { code }) => void calls.push(`cancel ${code}`),
    },
    () => time.now,
  );
  return { message, time, calls, results };
}

describe('HookedMessage', () => {
  it('measures from the handler on, and counts the answers of the last run', async () => {
    const { message, time, results } = hooked();
    const run = newRun();
    message.follow(run);
    const begun = message.begin(run);
    time.now += 50;
    await begun;
    time.now = 200;
    message.onAnswer();
    const again = newRun();
    message.follow(again);
    await message.begin(again);
    for (const at of [300, 340, 390]) {
      time.now = at;
      message.onAnswer();
    }
    time.now = 400;
    await message.end('done');
    const [{ durationMs, firstAnswerMs, lastAnswerMs, ...rest } = {} as ConsumeResult] = results;
    expect(rest).toEqual({ status: 'done', answers: 3 });
    expect([durationMs - firstAnswerMs!, durationMs - lastAnswerMs!]).toEqual([100, 10]);
  });

  it('excludes what begin takes', async () => {
    let open = (): void => undefined;
    const { message, time, results } = hooked(() => new Promise((resolve) => (open = resolve)));
    const run = newRun();
    message.follow(run);
    const begun = message.begin(run);
    time.now = 10_000;
    open();
    await begun;
    time.now = 10_007;
    await message.end('failed');
    expect(results).toEqual([{ status: 'failed', answers: 0, durationMs: 7, firstAnswerMs: null, lastAnswerMs: null }]);
  });

  it('an abort ends the wait for begin', async () => {
    const { message, calls, results } = hooked(() => new Promise(() => undefined));
    const run = newRun();
    message.follow(run);
    const begun = message.begin(run);
    await turn();
    run.abort(CANCELLED);
    await begun;
    await message.end('done');
    expect(calls).toEqual(['begin', 'cancel CANCELLED', 'end']);
    expect(results).toMatchObject([{ status: 'cancelled' }]);
  });

  it('what never began has no end, no error and no cancel', async () => {
    const { message, calls } = hooked();
    expect(message.end('again')).toBeUndefined();
    const run = newRun();
    message.follow(run);
    run.abort(CANCELLED);
    message.unanswered(new Error('x'));
    expect(message.end('done')).toBeUndefined();
    expect(calls).toEqual([]);
  });

  it('a run that goes on under the next inbox was not cancelled', async () => {
    const { message, calls, results } = hooked();
    const run = newRun();
    message.follow(run);
    await message.begin(run);
    run.abort(INBOX_LOST);
    const next = newRun();
    message.follow(next);
    await message.begin(next);
    await message.end('done');
    expect(calls).toEqual(['begin', 'end']);
    expect(results).toMatchObject([{ status: 'done' }]);
  });

  it('what is to be delivered again was cancelled, whatever ended it', async () => {
    const { message, results, calls } = hooked();
    const run = newRun();
    message.follow(run);
    await message.begin(run);
    message.unanswered('no redis');
    await message.end('again');
    expect(calls).toEqual(['begin', 'error no redis', 'end']);
    expect(results).toMatchObject([{ status: 'cancelled' }]);
  });
});
