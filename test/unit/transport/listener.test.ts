import { expect, it } from 'vitest';
import { addListenerOptions } from '../../../lib/transport/listener';

it('options of the handlers of one pattern add up, and equal ones may be said twice', () => {
  const said = addListenerOptions('work', { retry: { times: 1 } }, { concurrency: 2, retry: { times: 1 }, order: undefined });
  expect(said).toEqual({ concurrency: 2, retry: { times: 1 } });
});

it('two that contradict each other are told apart in the error', () => {
  expect(() => addListenerOptions('work', { retry: { times: 1 } }, { retry: { times: 2 } })).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      option: 'listener(work).retry',
      message: "Two handlers of 'work' say 'retry' differently: { times: 1 } and { times: 2 }",
    }),
  );
});
