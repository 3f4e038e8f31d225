import { expect, it } from 'vitest';
import { RequestDefaults } from '../../../lib/producer/request-defaults';

it('a pattern says more than the connection, and what it leaves out the connection says', () => {
  const defaults = new RequestDefaults(
    { idleTimeoutMs: 1_000, feedback: 'inbox' },
    { 'old.service': { feedback: 'list', timeoutMs: undefined, idleTimeoutMs: undefined }, constructor: { credit: 1 } },
  );
  expect(defaults.of('old.service')).toEqual({ idleTimeoutMs: 1_000, feedback: 'list' });
  expect(defaults.of('another')).toEqual({ idleTimeoutMs: 1_000, feedback: 'inbox' });
  expect(defaults.of('constructor')).toEqual({ idleTimeoutMs: 1_000, feedback: 'inbox', credit: 1 });
  expect(new RequestDefaults({}).of('toString')).toEqual({});
});
