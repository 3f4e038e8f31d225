import { expect, it, onTestFinished } from 'vitest';
import { openStream } from '../fault/kafka-load';
import { rawKafka } from '../fault/raw-kafka';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWith } from '../support/servers';

describeWith(['kafka'], 'a Kafka consumer that fetches when it has room', ({ kafkaUrl }) => {
  it('is not held up by topics that are idle: a partition that was paused is fetched soon after', async () => {
    const [busy, idle] = [freshName('busy'), freshName('idle')];
    const admin = rawKafka(kafkaUrl).admin();
    await admin.connect();
    await createTopics(admin, { topic: busy, numPartitions: 1 }, { topic: idle, numPartitions: 1 });
    await admin.disconnect();
    const producer = openStream(kafkaUrl);
    onTestFinished(() => producer.close());
    const send = (topic: string, id: number) =>
      producer.publish({ topic, key: null, value: Buffer.from(`${id} `.padEnd(200, 'x')), headers: [] });
    const ids = Array.from({ length: 3_000 }, (_, id) => id);
    await Promise.all([send(idle, -1), ...ids.map((id) => send(busy, id))]);

    // Some fifteen fetches, each of which pauses the partition; the idle topic would keep each of them waiting for so long.
    const stream = openStream(kafkaUrl, { consumer: { maxWaitTimeInMs: 3_000, maxBytesPerPartition: 50_000 } });
    onTestFinished(() => stream.close());
    const handled: number[] = [];
    let last = Infinity;
    let slowestMs = 0;
    await stream.subscribe({
      group: freshName('room'),
      topics: [busy, idle],
      maxInFlight: 10,
      drainTimeoutMs: 500,
      onDelivery: (delivery) => {
        const { topic, value } = delivery.message;
        if (topic === busy) {
          slowestMs = Math.max(slowestMs, performance.now() - last);
          last = performance.now();
          handled.push(parseInt(String(value)));
        }
        setImmediate(() => delivery.settle());
      },
    });
    await eventually('all are handled', () => handled.length >= ids.length, { timeoutMs: 60_000 });
    console.info(`${handled.length} handled, the longest pause ${Math.round(slowestMs)} ms`);
    expect(handled).toEqual(ids);
    expect(slowestMs).toBeLessThan(500);
  });
});
