import { expect, it } from 'vitest';
import { DEFAULT_LISTENER_OPTIONS, withDefaults, type ListenerOptions } from '../../../lib/consumer/listener';

const CONNECTION: ListenerOptions = {
  ...DEFAULT_LISTENER_OPTIONS,
  concurrency: 7,
  retry: { times: 3, delayMs: 10 },
  deadLetterTopic: 'aside',
  processes: 2,
};

it('what a listener does not say, or says is undefined, is as its connection has it', () => {
  expect(withDefaults({}, CONNECTION)).toEqual(CONNECTION);
  const unsaid = { concurrency: undefined, retry: { times: undefined, delayMs: undefined }, deadLetterTopic: undefined };
  expect(withDefaults(unsaid, CONNECTION)).toEqual(CONNECTION);
});

it('what it says wins, each part of a retry for itself', () => {
  expect(withDefaults({ cancellable: false, deadLetterTopic: false, retry: { times: 0 } }, CONNECTION)).toEqual({
    ...CONNECTION,
    cancellable: false,
    deadLetterTopic: false,
    retry: { times: 0, delayMs: 10 },
  });
});
