import assert from 'node:assert/strict';
import type { MainStreamDelivery } from '../streams/main-stream';
import { assertKeyOrder, eventually, idOf, ids, type Bench } from './main-stream.probe';

/** The part of the main stream's contract about subscribers that come and go. */
export function groupContract(test: (title: string, body: (bench: Bench) => Promise<void>) => void): void {
  test('a subscriber takes over from one that went, and joins one that works: nothing is lost', async (bench) => {
    if (!bench.stream.capabilities.rebalance) return;
    const topic = bench.topic();
    const group = bench.group();
    const total = 2_000;
    const seen = new Map<string, number>();
    const onDelivery = (delivery: MainStreamDelivery): void => {
      seen.set(idOf(delivery), (seen.get(idOf(delivery)) ?? 0) + 1);
      setImmediate(() => delivery.settle());
    };
    const first = await bench.subscribe({ topics: [topic], group, onDelivery });
    const publish = (from: number, to: number) => bench.publish(topic, ids(to).slice(from), (id) => `key ${Number(id) % 16}`);
    await publish(0, 500);
    const joining = bench.subscribe({ topics: [topic], group, onDelivery });
    await publish(500, 1_000);
    const second = await joining;
    await publish(1_000, 1_500);
    await first.close();
    await publish(1_500, total);
    await second.until(() => seen.size === total);
    const duplicates = [...seen.values()].reduce((sum, count) => sum + count - 1, 0);
    assert.ok(duplicates <= total / 100, `${duplicates} of ${total} were delivered twice`);
  });

  test('M4: messages of one key are with one subscriber of a group at a time, and stay in order', async (bench) => {
    const { keyOrder, rebalance } = bench.stream.capabilities;
    if (!keyOrder || !rebalance) return;
    const topic = bench.topic();
    const group = bench.group();
    const total = 500;
    const inFlight = new Map<string, { readonly subscriber: number; messages: number }>();
    const delivered: MainStreamDelivery[] = [];
    let shared = 0;
    const subscribe = (subscriber: number) =>
      bench.subscribe({
        topics: [topic],
        group,
        maxInFlight: 10,
        onDelivery: (delivery) => {
          delivered.push(delivery);
          const key = String(delivery.message.key);
          const holder = inFlight.get(key) ?? { subscriber, messages: 0 };
          if (holder.subscriber !== subscriber) shared += 1;
          holder.messages += 1;
          inFlight.set(key, holder);
          setTimeout(() => {
            holder.messages -= 1;
            if (holder.messages === 0) inFlight.delete(key);
            delivery.settle();
          }, 1);
        },
      });
    await subscribe(1);
    const second = await subscribe(2);
    await bench.publish(topic, ids(total), (id) => `key ${Number(id) % 8}`);
    await second.until(() => delivered.length >= total && inFlight.size === 0);
    assert.equal(shared, 0, `${shared} of ${total} came while another subscriber had one of their key`);
    assert.equal(delivered.length, total);
    assertKeyOrder(delivered);
  });

  test('lag counts what the group has not handled', async (bench) => {
    if (!bench.stream.capabilities.lag) return;
    const topic = bench.topic();
    const group = bench.group();
    const lagOf = async () => (await bench.stream.lag!(group, [topic])).get(topic);
    const reader = await bench.subscribe({ topics: [topic], group });
    assert.equal(await lagOf(), 0);
    await bench.publish(topic, ids(10), () => 'k');
    const deliveries = await reader.take(10);
    for (const delivery of deliveries.slice(0, 4)) delivery.settle();
    await eventually(async () => (await lagOf()) === 6);
    for (const delivery of deliveries.slice(4)) delivery.settle();
    await reader.close();
    assert.equal(await lagOf(), 0);
  });

  test('partitions, where there are any: those of topics that exist, also while the lag is read', async (bench) => {
    if (!bench.stream.partitions) return;
    const topics = [bench.topic(), bench.topic(), bench.topic()];
    const group = bench.group();
    const assigned = new Set<string>();
    await bench.subscribe({
      topics,
      group,
      onRebalance: (change) => change.assigned.forEach(({ topic, partition }) => assigned.add(`${topic}/${partition}`)),
    });
    const missing = bench.topic();
    if (bench.stream.prepare) {
      const prepared = bench.topic();
      await bench.stream.prepare([prepared, ...topics]);
      assert.ok((await bench.stream.partitions([prepared])).get(prepared)! > 0, 'what was prepared is there');
    }
    for (let round = 0; round < 10; round += 1) {
      const [counts] = await Promise.all([
        Promise.all(topics.map((topic) => bench.stream.partitions!([topic, missing]))),
        Promise.all(topics.map(async (topic) => bench.stream.lag?.(group, [topic]))),
      ]);
      topics.forEach((topic, index) => {
        const count = [...assigned].filter((each) => each.startsWith(`${topic}/`)).length;
        assert.deepEqual([...counts[index]!], [[topic, count]]);
      });
    }
  });

  test('for health, where it can: it answers, confirms its members, and counts what is not settled', async (bench) => {
    await bench.stream.ping?.();
    const topic = bench.topic();
    const reader = await bench.subscribe({ topics: [topic] });
    const { subscription } = reader;
    const lagIs = (expected: number) => eventually(async () => [undefined, expected].includes(await subscription?.lag?.()));
    await lagIs(0);
    await bench.publish(topic, ids(10), () => 'k');
    const deliveries = await reader.take(10);
    for (const delivery of deliveries.slice(0, 4)) delivery.settle();
    await lagIs(6);
    for (const delivery of deliveries.slice(4)) delivery.settle();
    await lagIs(0);
    const heartbeat = subscription?.heartbeat?.();
    assert.ok(!heartbeat || (heartbeat.ageMs >= 0 && heartbeat.ageMs < heartbeat.timeoutMs), 'the member is confirmed');
  });

  test('what is used after close errs CLOSED, and closing twice is harmless', async (bench) => {
    const topic = bench.topic();
    const reader = await bench.subscribe({ topics: [topic] });
    const states: string[] = [];
    const off = bench.stream.onStatus((status) => states.push(status));
    assert.equal(states[0], 'connected', 'the first call comes at once');
    await Promise.all([reader.close(), reader.close()]);
    await bench.stream.close();
    await bench.stream.close();
    assert.equal(states.at(-1), 'disconnected');
    off();
    const closed = { code: 'CLOSED' };
    await assert.rejects(bench.stream.publish({ topic, key: null, value: null, headers: [] }), closed);
    await assert.rejects(
      bench.stream.subscribe({
        group: bench.group(),
        topics: [topic],
        maxInFlight: 1,
        drainTimeoutMs: 0,
        onDelivery: (each) => each.settle(),
      }),
      closed,
    );
  });
}
