import { expect, it } from 'vitest';
import { ClientCheck } from '../../../lib/consumer/client-check';
import type { FeedbackStream } from '../../../lib/streams/feedback-stream';

const isWanted = (check: ClientCheck, inbox: string, id: string): Promise<boolean> =>
  new Promise((resolve) => check.ask(inbox, id, { onWanted: resolve }));

it('F7: asks once a tick for all, and takes for living what cannot be told', async () => {
  const asked: (readonly string[])[] = [];
  let failure: Error | undefined;
  const alive: FeedbackStream['alive'] = async (inboxes) => {
    asked.push(inboxes);
    if (failure) throw failure;
    return new Set(['a']);
  };
  const cancelled: FeedbackStream['cancelled'] = async (ids) => {
    if (failure) throw failure;
    return new Set(ids.filter((id) => id === 'cancelled'));
  };
  const check = new ClientCheck({ alive, cancelled } as FeedbackStream, 5_000);
  expect(await Promise.all([isWanted(check, 'a', '1'), isWanted(check, 'b', '2'), isWanted(check, 'a', 'cancelled')])).toEqual([
    true,
    false,
    false,
  ]);
  expect(await isWanted(check, 'b', '2')).toBe(false);
  expect(asked).toEqual([['a', 'b'], ['b']]);
  failure = new Error('down');
  expect(await isWanted(check, 'b', '2')).toBe(true);
});

it('F7: takes for living what throws at once, and answers everybody', async () => {
  const thrower = (): never => {
    throw new Error('not even a promise');
  };
  const check = new ClientCheck({ alive: thrower, cancelled: thrower } as unknown as FeedbackStream, 5_000);
  expect(await Promise.all([isWanted(check, 'a', '1'), isWanted(check, 'b', '2')])).toEqual([true, true]);
});

it('F7: one that throws when it is answered keeps no other from hearing', async () => {
  const stream = { alive: async () => new Set(['a']), cancelled: async () => new Set<string>() } as unknown as FeedbackStream;
  const check = new ClientCheck(stream, 5_000);
  check.ask('a', '1', {
    onWanted: () => {
      throw new Error('a logger of somebody');
    },
  });
  expect(await isWanted(check, 'a', '2')).toBe(true);
});
