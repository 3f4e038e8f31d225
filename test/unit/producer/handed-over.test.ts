import { expect, it } from 'vitest';
import { HandedOver } from '../../../lib/producer/handed-over';
import { deferred } from '../../support/deferred';
import { tick } from '../../support/tick';

/** Whether a promise is settled, and how. */
function watched(promise: Promise<void>): { state: string } {
  const seen = { state: 'pending' };
  promise.then(
    () => (seen.state = 'resolved'),
    (error: Error) => (seen.state = error.message),
  );
  return seen;
}

it('resolves when all that was handed over before is acknowledged, whatever comes after', async () => {
  const handedOver = new HandedOver();
  await handedOver.flush();
  const [one, two, later] = [deferred(), deferred(), deferred()];
  handedOver.track(one.promise);
  handedOver.track(two.promise);
  const flushed = watched(handedOver.flush());
  handedOver.track(later.promise);
  const flushedLater = watched(handedOver.flush());
  two.resolve();
  await tick();
  expect(flushed.state).toBe('pending');
  one.resolve();
  await tick();
  expect([flushed.state, flushedLater.state]).toEqual(['resolved', 'pending']);
  later.resolve();
  await tick();
  expect(flushedLater.state).toBe('resolved');
});

it('a later flush waits for what was handed over before an earlier one, too', async () => {
  const handedOver = new HandedOver();
  const one = deferred();
  handedOver.track(one.promise);
  const flushes = [watched(handedOver.flush()), watched(handedOver.flush())];
  await tick();
  expect(flushes.map(({ state }) => state)).toEqual(['pending', 'pending']);
  one.resolve();
  await tick();
  expect(flushes.map(({ state }) => state)).toEqual(['resolved', 'resolved']);
});

it('rejects with the first failure since the last flush, once all are settled', async () => {
  const handedOver = new HandedOver();
  const [one, two] = [deferred(), deferred()];
  handedOver.track(one.promise);
  one.reject(new TypeError('first'));
  await tick();
  handedOver.track(two.promise);
  const flushed = watched(handedOver.flush());
  await tick();
  expect(flushed.state).toBe('pending');
  two.reject(new TypeError('second'));
  await tick();
  expect(flushed.state).toBe('first');
  await handedOver.flush();
});
