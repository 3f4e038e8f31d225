import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import type { MainStreamScan } from '../../lib/streams/main-stream';
import { openStream } from '../fault/kafka-load';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';

/** What a topic can hold besides messages: on a Kafka of its own, which compacts. */
describeWith(['own-kafka'], 'scanning Kafka', () => {
  let server: KafkaServer;
  let kafka: Kafka;
  let stream: KafkaMainStream;
  beforeAll(async () => {
    server = await startKafka({
      config: {
        'log.cleaner.enable': true,
        'log.cleaner.backoff.ms': 100,
        'log.cleaner.dedupe.buffer.size': 4_000_000,
        'log.segment.delete.delay.ms': 100,
      },
    });
    kafka = new Kafka({ brokers: [...server.brokers], logLevel: logLevel.NOTHING });
    stream = openStream(server.url, { partitions: 1 });
  });
  afterAll(async () => {
    await stream?.close();
    await server?.stop();
  });

  const createTopic = async (configs: Record<string, string> = {}): Promise<string> => {
    const topic = freshName('scan');
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    await server.withAdmin((admin) => createTopics(admin, { topic, numPartitions: 1, configEntries }));
    return topic;
  };
  const publish = (topic: string, value: string, key: string | null = null) =>
    stream.publish({ topic, key, value: Buffer.from(value), headers: [] });
  const drain = async (scan: MainStreamScan): Promise<string[]> => {
    const values: string[] = [];
    for await (const { value } of scan) values.push(String(value));
    await scan.close();
    return values;
  };

  it('neither marks of transactions nor what was given up is read, and neither is waited for', async () => {
    const topic = await createTopic();
    const producer = kafka.producer({ transactionalId: freshName('tx'), maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    const transact = async (end: 'commit' | 'abort', ...values: string[]) => {
      const transaction = await producer.transaction();
      for (const value of values) await transaction.send({ topic, messages: [{ value }] });
      await transaction[end]();
    };
    await publish(topic, 'plain 1');
    await transact('commit', 'committed 1', 'committed 2');
    await transact('abort', 'given up 1', 'given up 2');
    await publish(topic, 'plain 2');
    await transact('commit', 'committed 3');
    await transact('abort', 'given up 3');
    await producer.disconnect();
    const group = freshName('group');
    const began = Date.now();
    expect(await drain(await stream.scan({ topic, group }))).toEqual(['plain 1', 'committed 1', 'committed 2', 'plain 2', 'committed 3']);
    console.info(`scan: a topic that ends in marks of transactions was read in ${Date.now() - began} ms`);
    expect(Date.now() - began).toBeLessThan(5_000);
  });

  it('what compaction or retention has removed is passed over', async () => {
    const compacting = {
      'cleanup.policy': 'compact',
      'segment.ms': '50',
      'min.cleanable.dirty.ratio': '0.001',
      'delete.retention.ms': '50',
    };
    const topic = await createTopic({ ...compacting, 'max.compaction.lag.ms': '100' });
    const group = freshName('group');
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    // A batch of a producer that may go on stays when its messages are gone: empty.
    await producer.send({ topic, messages: ['x', 'y', 'z'].map((key) => ({ key, value: 'idempotent' })) });
    for (let n = 0; n < 50; n++) await publish(topic, `value ${n}`, `key ${n % 3}`);
    for (const key of ['x', 'y', 'z']) await publish(topic, `last of ${key}`, key);
    let left: string[] = [];
    await eventually(
      'it is compacted',
      async () => {
        // A segment is closed, and so may be compacted, by what is written after its time.
        await publish(topic, 'tick', 'tick');
        left = await drain(await stream.scan({ topic, group }));
        return left.filter((value) => value.startsWith('value')).length === 3 && !left.includes('idempotent');
      },
      { timeoutMs: 40_000, intervalMs: 200 },
    );
    await producer.disconnect();
    expect(left.filter((value) => value !== 'tick')).toEqual(['value 47', 'value 48', 'value 49', 'last of x', 'last of y', 'last of z']);
    const { high } = (await server.withAdmin((admin) => admin.fetchTopicOffsets(topic)))[0]!;
    console.info(`scan: ${left.length} messages are left of ${high} offsets`);
  });

  it('goes on behind what was deleted after it began, and behind a place that is not there any more', async () => {
    const topic = await createTopic();
    const group = freshName('group');
    for (let n = 0; n < 20; n++) await publish(topic, String(n));
    const place = await stream.scan({ topic, group });
    for await (const message of place) {
      await place.moveBehind(message);
      break;
    }
    await place.close();
    const scan = await stream.scan({ topic, group });
    await server.withAdmin(async (admin) => {
      // kafkajs deletes only of topics that it was asked about before.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '15' }] });
    });
    expect(await drain(scan)).toEqual(['15', '16', '17', '18', '19']);
    expect(await drain(await stream.scan({ topic, group }))).toEqual(['15', '16', '17', '18', '19']);
  });

  it('joins no group: it starts at once, and leaves nobody behind whom others would wait for', async () => {
    const topic = await createTopic();
    const group = freshName('group');
    await publish(topic, 'one');
    const scans = await Promise.all(Array.from({ length: 3 }, () => stream.scan({ topic, group })));
    const began = Date.now();
    const [first] = scans;
    for await (const message of first!) await first!.moveBehind(message);
    console.info(`scan: read and moved on ${Date.now() - began} ms after it was opened`);
    expect(await server.withAdmin(async (admin) => (await admin.describeGroups([group])).groups[0]!.members)).toEqual([]);
    const offsets = await server.withAdmin((admin) => admin.fetchOffsets({ groupId: group, topics: [topic] }));
    expect(offsets[0]!.partitions).toMatchObject([{ partition: 0, offset: '1' }]);
    await Promise.all(scans.map((scan) => scan.close()));
    expect((stream as unknown as { scans: Set<unknown> }).scans.size).toBe(0);
  });

  it('a scan errs CLOSED when its stream closes', async () => {
    const topic = await createTopic();
    await publish(topic, 'one');
    const own = openStream(server.url);
    const scan = await own.scan({ topic, group: freshName('group') });
    await own.close();
    await expect(drain(scan)).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(own.scan({ topic, group: 'any' })).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
