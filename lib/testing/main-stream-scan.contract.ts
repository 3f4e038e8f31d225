import assert from 'node:assert/strict';
import type { MainStreamScanOptions } from '../streams/main-stream';
import { eventually, grouped, idOf, ids, type Bench } from './main-stream.probe';

/** The part of the main stream's contract about reading a topic to its end. */
export function scanContract(test: (title: string, body: (bench: Bench) => Promise<void>) => void): void {
  const scanTest = (title: string, body: (bench: Bench) => Promise<void>): void =>
    test(title, async (bench) => {
      if (!bench.stream.capabilities.scan) return;
      await body(bench);
    });

  /** Scans; moves behind the last of each partition where told, and never reads more than `most`. */
  const scanned = async (
    { stream }: Bench,
    options: MainStreamScanOptions,
    { moveOn = false, most = Infinity }: { moveOn?: boolean; most?: number } = {},
  ): Promise<string[]> => {
    const scan = await stream.scan!(options);
    try {
      const read: string[] = [];
      if (most === 0) return read;
      for await (const message of scan) {
        read.push(idOf({ message }));
        if (moveOn) await scan.moveBehind(message);
        if (read.length === most) break;
      }
      return read;
    } finally {
      await scan.close();
      await scan.close();
    }
  };
  const sorted = (values: readonly string[]): string[] => [...values].sort((a, b) => Number(a) - Number(b));
  /** A topic that is there, with nothing in it. */
  const emptyTopic = async (bench: Bench): Promise<string> => {
    const topic = bench.topic();
    await (await bench.subscribe({ topics: [topic] })).close();
    return topic;
  };

  scanTest('scan: a topic that is missing or empty has no messages, and is not waited for', async (bench) => {
    const group = bench.group();
    assert.deepEqual(await scanned(bench, { topic: bench.topic(), group }), []);
    assert.deepEqual(await scanned(bench, { topic: await emptyTopic(bench), group, fromBeginning: true }), []);
  });

  scanTest('scan: gives what is there, each once, its bytes, key and headers as they were, and each key in order', async (bench) => {
    const topic = await emptyTopic(bench);
    const total = 500;
    await bench.publish(topic, ids(total), (id) => `key ${Number(id) % 7}`);
    const bytes = Buffer.from([0, 255, 1]);
    await bench.stream.publish({
      topic,
      key: bytes,
      value: bytes,
      headers: [
        ['h', bytes],
        ['h', Buffer.alloc(0)],
      ],
    });
    const scan = await bench.stream.scan!({ topic, group: bench.group() });
    const last = new Map<string, number>();
    const seen: string[] = [];
    for await (const message of scan) {
      assert.equal(message.topic, topic);
      if (message.value!.equals(bytes)) {
        assert.deepEqual(message.key, bytes);
        assert.deepEqual(grouped(message.headers), [['h', [bytes.toString('hex'), '']]]);
        continue;
      }
      const key = String(message.key);
      assert.ok(Number(idOf({ message })) > (last.get(key) ?? -1), `out of the order of ${key}`);
      last.set(key, Number(idOf({ message })));
      seen.push(idOf({ message }));
    }
    await scan.close();
    assert.deepEqual(sorted(seen), ids(total));
  });

  scanTest('scan: ends where the topic ended when it began', async (bench) => {
    const topic = await emptyTopic(bench);
    await bench.publish(topic, ids(10));
    const scan = await bench.stream.scan!({ topic, group: bench.group() });
    await bench.publish(topic, ['late']);
    const seen: string[] = [];
    for await (const message of scan) seen.push(idOf({ message }));
    await scan.close();
    assert.deepEqual(sorted(seen), ids(10));
  });

  scanTest('scan: goes on behind what the group has moved behind, each group for itself; from the beginning where told', async (bench) => {
    const topic = await emptyTopic(bench);
    const [group, other] = [bench.group(), bench.group()];
    await bench.publish(topic, ids(30), (id) => `key ${Number(id) % 5}`);
    assert.deepEqual(sorted(await scanned(bench, { topic, group })), ids(30), 'iterating alone saves nothing');
    const first = await scanned(bench, { topic, group }, { moveOn: true, most: 12 });
    const rest = await scanned(bench, { topic, group }, { moveOn: true });
    assert.equal(first.length, 12);
    assert.deepEqual(sorted([...first, ...rest]), ids(30));
    assert.deepEqual(await scanned(bench, { topic, group }), []);
    await bench.publish(topic, ['30']);
    assert.deepEqual(await scanned(bench, { topic, group }), ['30']);
    assert.deepEqual(sorted(await scanned(bench, { topic, group, fromBeginning: true })), ids(31));
    assert.deepEqual(sorted(await scanned(bench, { topic, group: other })), ids(31));
  });

  scanTest('scan: takes nothing from subscribers', async (bench) => {
    const topic = bench.topic();
    const group = bench.group();
    const reader = await bench.subscribe({ topics: [topic], group, onDelivery: (delivery) => delivery.settle() });
    await bench.publish(topic, ids(20));
    await scanned(bench, { topic, group: `${group}.scan` }, { moveOn: true });
    await reader.take(20);
    if (bench.stream.capabilities.lag) await eventually(async () => (await bench.stream.lag!(group, [topic])).get(topic) === 0);
  });
}
