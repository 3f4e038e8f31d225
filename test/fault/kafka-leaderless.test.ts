import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';
import { openStream } from './kafka-load';

describeWith(['own-kafka'], 'a topic that has lost the leader of a partition', () => {
  let kafka: KafkaServer;
  beforeAll(async () => {
    kafka = await startKafka({ nodes: 3 });
  }, 120_000);
  afterAll(() => kafka?.stop());

  it('is waited for, and other topics are published to meanwhile', { timeout: 120_000 }, async () => {
    const [stuck, other] = [freshName('stuck'), freshName('other')];
    const away = kafka.nodes[2]!;
    await kafka.withAdmin((admin) =>
      createTopics(
        admin,
        { topic: stuck, replicaAssignment: [away.id, 1, 1].map((node, partition) => ({ partition, replicas: [node] })) },
        { topic: other, numPartitions: 3, replicationFactor: 3 },
      ),
    );
    const stream = openStream(kafka.url);
    const send = (topic: string, key: string) => stream.publish({ topic, key, value: Buffer.from('x'), headers: [] });
    const keys = Array.from({ length: 12 }, (_each, index) => `key ${index}`);
    const sendAll = (topic: string) => Promise.all(keys.map((key) => send(topic, key)));
    await Promise.all([sendAll(stuck), sendAll(other)]);
    await away.kill();
    const waiting = sendAll(stuck);
    let arrived = false;
    void waiting.then(() => (arrived = true));
    let count = 0;
    let slowestMs = 0;
    await eventually(
      'the others are published to',
      async () => {
        const began = Date.now();
        await sendAll(other);
        // What is published when the leader has just died waits for the others' new leaders, and for it to be seen which topic is at fault.
        if (count++ > 0) slowestMs = Math.max(slowestMs, Date.now() - began);
        return count > 20;
      },
      { timeoutMs: 60_000 },
    );
    console.info(`leaderless: 20 times ${keys.length} published to another topic, slowest ${slowestMs} ms`);
    expect(arrived).toBe(false);
    expect(slowestMs).toBeLessThan(5_000);
    await away.start();
    await waiting;
    await Promise.all([sendAll(stuck), sendAll(other)]);
    await stream.close();
  });
});
