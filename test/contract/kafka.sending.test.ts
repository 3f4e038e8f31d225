import { CompressionTypes } from 'kafkajs';
import { expect, it } from 'vitest';
import type { StreambackKafkaOptions } from '../../lib/streams/kafka/kafka.options';
import type { OutgoingMessage } from '../../lib/streams/main-stream';
import { openStream } from '../fault/kafka-load';
import { rawKafka, readRaw } from '../fault/raw-kafka';
import { createTopics } from '../support/create-topics';
import { freshName } from '../support/fresh-name';
import { describeWith } from '../support/servers';

describeWith(['kafka'], 'what a Kafka stream sends', ({ kafkaUrl }) => {
  const id = (n: number) => ['id', Buffer.from(String(n))] as const;
  const text = (length: number) => Buffer.from('ä€🔑 '.repeat(length));
  /** Of all kinds, each with its number in a header. */
  const kinds: ((topic: string, n: number) => OutgoingMessage)[] = [
    (topic, n) => ({ topic, key: null, value: Buffer.from(`{"n":${n}}`), headers: [id(n)] }),
    (topic, n) => ({ topic, key: `clé-${n % 7}`, value: text(n), headers: [id(n)] }),
    (topic, n) => ({
      topic,
      key: Buffer.from([0, 255, n]),
      value: Buffer.alloc(0),
      headers: [id(n), ['twice', text(1)], ['twice', text(2)]],
    }),
    (topic, n) => ({ topic, key: '', value: null, headers: [id(n), ['empty', Buffer.alloc(0)]] }),
    (topic, n) => ({ topic, key: null, value: text(5_000 + n), headers: [id(n)] }),
  ];

  it.each<[string, StreambackKafkaOptions]>([
    ['written here', {}],
    ['written by kafkajs', { send: { compression: CompressionTypes.GZIP } }],
  ])('is read by others as it was given, %s', async (_, options) => {
    const topics = [freshName('first'), freshName('second')];
    const admin = rawKafka(kafkaUrl).admin();
    await admin.connect();
    await createTopics(admin, ...topics.map((topic, i) => ({ topic, numPartitions: 1 + 3 * i })));
    await admin.disconnect();
    const stream = openStream(kafkaUrl, options);
    const sent = Array.from({ length: 400 }, (_, n) => kinds[n % kinds.length]!(topics[(n >> 3) % 2]!, n));
    // The first request goes to kafkajs message by message, what follows in runs.
    await stream.publish(sent[0]!);
    await Promise.all(sent.slice(1).map((message) => stream.publish(message)));
    await stream.close();
    for (const topic of topics) {
      const expected = sent.filter((message) => message.topic === topic);
      const read = await readRaw(kafkaUrl, topic, expected.length);
      const numbered = new Map(read.map((message) => [String(message.headers.id), message]));
      expect(read).toHaveLength(expected.length);
      for (const { key, value, headers } of expected) {
        const message = numbered.get(String(headers[0]![1]))!;
        expect(message.key).toEqual(typeof key === 'string' ? Buffer.from(key) : key);
        expect(message.value).toEqual(value);
        for (const [name, each] of headers) expect([message.headers[name]].flat()).toContainEqual(each);
      }
    }
  });
});
