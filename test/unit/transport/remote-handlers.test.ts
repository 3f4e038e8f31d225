import { expect, it } from 'vitest';
import type { Run } from '../../../lib/consumer/run';
import { RemoteHandlers } from '../../../lib/transport/remote-handlers';
import type { StreambackContext } from '../../../lib/transport/streamback.context';

it.each([
  [{ method: 'other', args: [] }, "'other'"],
  [{ method: 'one' }, "'one'"],
  [{ method: { toString: 1 }, args: [] }, "''"],
  [{}, "''"],
  ['one', "''"],
  [null, "''"],
])('a call that is %j errs NO_LISTENER, whatever it holds', async (value, name) => {
  const handlers = new RemoteHandlers('prices', 'streamback.remote.prices');
  handlers.add({ method: 'one', options: {}, call: () => expect.fail('called') });
  const ended: unknown[][] = [];
  const run = { envelope: { value }, responder: { endWithError: async (...given: unknown[]) => void ended.push(given) } };
  await handlers.handle(run as unknown as Run, {} as StreambackContext);
  expect(ended).toEqual([[expect.stringContaining(`no remote method ${name} of 'prices'`), { code: 'NO_LISTENER' }]]);
});
