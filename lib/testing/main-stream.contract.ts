import assert from 'node:assert/strict';
import type { OutgoingMessage } from '../streams/main-stream';
import { assertKeyOrder, Bench, grouped, idOf, ids, same, tick, type MainStreamFixture, type TestRunner } from './main-stream.probe';
import { groupContract } from './main-stream-groups.contract';
import { scanContract } from './main-stream-scan.contract';

export type { MainStreamFixture, TestRunner } from './main-stream.probe';

export interface MainStreamContractOptions {
  /** The system, for titles. */
  readonly name: string;
  /** Called once for each test. */
  readonly create: () => Promise<MainStreamFixture>;
  /** @default the globals `describe` and `it` */
  readonly runner?: TestRunner;
}

const TEST_TIMEOUT_MS = 60_000;

/**
 * Holds an implementation of `MainStream` to its numbered promises (docs/guarantees.md). Declared capabilities are tested;
 * a stream without `rebalance` need not share topics within a group. A stream that is not durable need not keep what was sent
 * before anybody subscribed.
 */
export function testMainStream({ name, create, runner }: MainStreamContractOptions): void {
  const { describe, it } = runner ?? (globalThis as unknown as TestRunner);

  const test = (title: string, body: (bench: Bench) => Promise<void>): void =>
    it(
      title,
      async () => {
        const bench = new Bench(await create());
        try {
          await bench.stream.connect();
          await body(bench);
        } finally {
          await bench.close();
        }
      },
      TEST_TIMEOUT_MS,
    );

  describe(`main stream: ${name}`, () => {
    test('M1: what was published and acknowledged is delivered, its bytes, key and headers as they were', async (bench) => {
      const topic = bench.topic();
      const bytes = Buffer.from(Array.from({ length: 256 }, (_each, index) => index));
      const sent: OutgoingMessage[] = [
        {
          topic,
          key: 'a',
          value: bytes,
          headers: [
            ['trace', Buffer.from('1')],
            ['binary', bytes],
            ['trace', Buffer.from('2')],
          ],
        },
        { topic, key: null, value: Buffer.from('no key'), headers: [] },
        { topic, key: Buffer.from([0, 255]), value: Buffer.alloc(0), headers: [['empty', Buffer.alloc(0)]] },
        {
          topic,
          key: 'ü',
          value: null,
          headers: [
            ['constructor', Buffer.from('x')],
            ['__proto__', Buffer.from('y')],
          ],
        },
      ];
      const reader = await bench.subscribe({ topics: [topic] });
      for (const message of sent) await bench.stream.publish(message);
      const received = (await reader.take(sent.length)).map(({ message }) => message);
      for (const message of sent) {
        const found = received.find(({ value, key }) => same(value, message.value) && same(key, message.key));
        assert.ok(found, `not delivered as it was: ${JSON.stringify(message)}`);
        assert.equal(found.topic, topic);
        assert.deepEqual(grouped(found.headers), grouped(message.headers));
        assert.match(found.offset, /^\d+$/);
        assert.ok(Math.abs(found.timestamp - Date.now()) < 3_600_000, 'the timestamp is in epoch ms');
      }
    });

    test('M1: subscribe resolves when the subscriber is assigned: what is published from then on reaches it', async (bench) => {
      const topic = bench.topic();
      const reader = await bench.subscribe({ topics: [topic] });
      await bench.publish(topic, ids(10));
      assert.deepEqual(new Set((await reader.take(10)).map(idOf)), new Set(ids(10)));
    });

    test('M1: each group receives every message', async (bench) => {
      const topic = bench.topic();
      const readers = [
        await bench.subscribe({ topics: [topic], group: bench.group() }),
        await bench.subscribe({ topics: [topic], group: bench.group() }),
      ];
      await bench.publish(topic, ids(100));
      for (const reader of readers) assert.deepEqual(new Set((await reader.take(100)).map(idOf)), new Set(ids(100)));
    });

    test('M1: one subscriber reads several topics, and none that it did not name', async (bench) => {
      const [first, second, foreign] = [bench.topic(), bench.topic(), bench.topic()];
      const other = await bench.subscribe({ topics: [foreign], group: bench.group() });
      const reader = await bench.subscribe({ topics: [first, second] });
      await bench.publish(foreign, ['foreign']);
      await bench.publish(first, ids(5));
      await bench.publish(second, ids(5));
      const topics = (await reader.take(10)).map(({ message }) => message.topic);
      assert.deepEqual(
        [first, second].map((topic) => topics.filter((each) => each === topic).length),
        [5, 5],
      );
      await other.take(1);
      assert.equal(reader.all.length, 10);
    });

    test('M3: what was released is delivered again, with a rank that is not smaller; what was settled is not', async (bench) => {
      const topic = bench.topic();
      let releases = 3;
      const reader = await bench.subscribe({
        topics: [topic],
        onDelivery: (delivery) => (idOf(delivery) === '3' && releases-- > 0 ? delivery.release() : delivery.settle()),
      });
      await bench.publish(topic, ids(10), () => 'k');
      const deliveries = await reader.take(13);
      const again = deliveries.filter((delivery) => idOf(delivery) === '3').map(({ message }) => message.rank);
      assert.equal(again.length, 4);
      assert.deepEqual(
        again,
        [...again].sort((a, b) => a - b),
      );
      await bench.publish(topic, ['last'], () => 'k');
      await reader.until(() => reader.all.some((each) => idOf(each) === 'last'));
      for (const id of ids(10)) assert.equal(reader.all.filter((each) => idOf(each) === id).length, id === '3' ? 4 : 1, `message ${id}`);
    });

    test('M4: messages of one key are delivered in the order they were published', async (bench) => {
      if (!bench.stream.capabilities.keyOrder) return;
      const topic = bench.topic();
      const reader = await bench.subscribe({ topics: [topic], onDelivery: (delivery) => delivery.settle() });
      await bench.publish(topic, ids(1_000), (id) => `key ${Number(id) % 7}`);
      assertKeyOrder(await reader.take(1_000));
    });

    test('M5: what was settled is not delivered to the next subscriber of the group, what was not is (M8)', async (bench) => {
      const topic = bench.topic();
      const group = bench.group();
      const kept = new Set(['17', '40']);
      const first = await bench.subscribe({
        topics: [topic],
        group,
        drainTimeoutMs: 50,
        onDelivery: (each) => !kept.has(idOf(each)) && each.settle(),
      });
      await bench.publish(topic, ids(50), (id) => id);
      await first.take(50);
      const late = first.all.filter((each) => kept.has(idOf(each)));
      for (const delivery of late) assert.equal(delivery.revoked.aborted, false);
      await first.close();
      for (const delivery of late) {
        assert.equal(delivery.revoked.aborted, true, 'what was not settled in time is aborted');
        delivery.settle();
      }
      const second = await bench.subscribe({ topics: [topic], group });
      await second.until(() => [...kept].every((id) => second.all.some((each) => idOf(each) === id)));
      const received = new Set(second.all.map(idOf));
      for (const delivery of second.all) {
        const before = late.find((each) => idOf(each) === idOf(delivery));
        if (before) assert.ok(delivery.message.rank >= before.message.rank, 'M3: a later delivery has no smaller rank');
      }
      // Behind an unsettled message of the same partition nothing is saved; before all of them everything is.
      const offsets = new Map<number, number>();
      for (const { message } of late) {
        offsets.set(message.partition, Math.min(Number(message.offset), offsets.get(message.partition) ?? Infinity));
      }
      for (const { message } of first.all) {
        const hole = offsets.get(message.partition);
        if (hole === undefined || Number(message.offset) < hole)
          assert.ok(!received.has(String(message.value)), `${String(message.value)} was settled and came again`);
      }
    });

    test('M8: close waits for what is in flight, and hands over nothing more', async (bench) => {
      const topic = bench.topic();
      const group = bench.group();
      const reader = await bench.subscribe({ topics: [topic], group, maxInFlight: 5 });
      await bench.publish(topic, ids(20));
      const inFlight = await reader.take(5);
      const closing = reader.close();
      let closed = false;
      void closing.then(() => (closed = true));
      for (const delivery of inFlight) {
        await tick();
        assert.equal(closed, false, 'closed before its work was done');
        assert.equal(delivery.revoked.aborted, false, 'aborted before the drain time was up');
        delivery.settle();
      }
      await closing;
      assert.equal(reader.all.length, 5, 'handed over after close');
      const next = await bench.subscribe({ topics: [topic], group });
      const rest = new Set((await next.take(15)).map(idOf));
      for (const delivery of inFlight) assert.ok(!rest.has(idOf(delivery)), 'settled and delivered again');
    });

    test('M7: no more than maxInFlight are handed over and unsettled, over 5,000 messages', async (bench) => {
      const topic = bench.topic();
      let inFlight = 0;
      let most = 0;
      const reader = await bench.subscribe({
        topics: [topic],
        maxInFlight: 20,
        onDelivery: (delivery) => {
          most = Math.max(most, ++inFlight);
          setImmediate(() => {
            inFlight--;
            delivery.settle();
          });
        },
      });
      await bench.publish(topic, ids(5_000));
      await reader.take(5_000);
      assert.equal(most, 20);
      assert.equal(new Set(reader.all.map(idOf)).size, 5_000);
    });

    test('M7: what is released or settled out of order makes room', async (bench) => {
      const topic = bench.topic();
      const reader = await bench.subscribe({ topics: [topic], maxInFlight: 2 });
      await bench.publish(topic, ids(3), () => 'k');
      const [first, second] = await reader.take(2);
      assert.equal(reader.all.length, 2);
      second!.settle();
      await reader.take(3);
      first!.settle();
    });

    groupContract(test);
    scanContract(test);
  });
}
