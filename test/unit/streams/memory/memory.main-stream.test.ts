import { afterEach, beforeEach, expect, it } from 'vitest';
import type { MainStreamDelivery } from '../../../../lib/streams/main-stream';
import { MemoryMainStream } from '../../../../lib/streams/memory/memory.main-stream';
import type { MemoryTopicStore } from '../../../../lib/streams/memory/memory.topic-store';
import { freshName } from '../../../support/fresh-name';
import { ticks } from '../../../support/tick';

let stream: MemoryMainStream;
beforeEach(() => (stream = new MemoryMainStream(freshName('main'))));
afterEach(() => stream.close());

const publish = (topic: string, text: string) => stream.publish({ topic, key: null, value: Buffer.from(text), headers: [] });
async function subscribe(group: string, topics: string[], settles = true) {
  const deliveries: MainStreamDelivery[] = [];
  const subscription = await stream.subscribe({
    group,
    topics,
    maxInFlight: 100_000,
    drainTimeoutMs: 0,
    onDelivery: (delivery) => {
      deliveries.push(delivery);
      if (settles) delivery.settle();
    },
  });
  return { subscription, deliveries, texts: () => deliveries.map(({ message }) => String(message.value)) };
}
/** Messages that a group holds. */
const held = (group: string): number => {
  const { waiting } = (stream.unwrap() as MemoryTopicStore).group(group) as unknown as { waiting: Map<string, { size: number }> };
  return [...waiting.values()].reduce((sum, { size }) => sum + size, 0);
};

it('holds nothing for a group of topics that it does not listen to', async () => {
  await subscribe('g', ['a']);
  for (let n = 0; n < 100; n++) await publish('other', String(n));
  expect(held('g')).toBe(0);
});

it('a group that takes up a topic later gets it from the start', async () => {
  await subscribe('g', ['a']);
  await publish('b', '1');
  const { texts } = await subscribe('g', ['b']);
  await publish('b', '2');
  await ticks();
  expect(texts()).toEqual(['1', '2']);
});

it('loses nothing of a burst to a group that listens, and holds a bounded number for one that has gone', async () => {
  const { subscription, deliveries } = await subscribe('g', ['a']);
  for (let n = 0; n < 25_000; n++) await publish('a', String(n));
  await ticks();
  expect(deliveries).toHaveLength(25_000);
  await subscription.close();
  for (let n = 0; n < 25_000; n++) await publish('a', String(n));
  expect(held('g')).toBe(10_000);
  expect((await stream.lag('g', ['a'])).get('a')).toBe(10_000);
  const { texts } = await subscribe('g', ['a']);
  await ticks();
  expect([texts()[0], texts().at(-1)]).toEqual(['15000', '24999']);
  expect((await stream.lag('g', ['a'])).get('a')).toBe(0);
});

it('M3: given back, they come again in their order, before what is new, with a higher rank', async () => {
  const { deliveries, texts } = await subscribe('g', ['a'], false);
  for (const text of ['0', '1', '2']) await publish('a', text);
  await ticks();
  await publish('a', '3');
  deliveries[2]!.release();
  deliveries[0]!.release();
  deliveries[0]!.settle();
  await ticks();
  expect(texts().slice(3)).toEqual(['0', '2', '3']);
  expect(deliveries.slice(3).map(({ message }) => message.rank)).toEqual([2, 2, 1]);
});

it('tells of a group that never was what it would get', async () => {
  await publish('a', '1');
  expect((await stream.lag('nobody', ['a', 'b'])).get('a')).toBe(1);
  expect((await stream.lag('nobody', ['a', 'b'])).get('b')).toBe(0);
});

it('tells its status at once, and when it is closed', async () => {
  const [seen, ended]: string[][] = [[], []];
  stream.onStatus((status) => void seen!.push(status));
  stream.onStatus((status) => void ended!.push(status))();
  await stream.close();
  await stream.close();
  expect([seen, ended]).toEqual([['connected', 'disconnected'], ['connected']]);
});
