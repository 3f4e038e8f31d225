import { Kafka, logLevel, type IHeaders, type Message } from 'kafkajs';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';

/** A message as kafkajs alone sees it: what tests compare ours with. */
export interface RawMessage {
  readonly partition: number;
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
}

export const rawKafka = (url: string): Kafka => new Kafka({ brokers: url.slice('kafka://'.length).split(','), logLevel: logLevel.NOTHING });

/** Publishes with kafkajs alone, in batches of at most 900 KB. */
export async function publishRaw(url: string, topic: string, messages: readonly Message[]): Promise<void> {
  const producer = rawKafka(url).producer();
  await producer.connect();
  let batch: Message[] = [];
  let bytes = 0;
  const send = async (): Promise<void> => {
    if (batch.length > 0) await producer.send({ topic, messages: batch });
    batch = [];
    bytes = 0;
  };
  for (const message of messages) {
    const size = message.value?.length ?? 0;
    if (bytes + size > 900_000 || batch.length === 500) await send();
    batch.push(message);
    bytes += size;
  }
  await send();
  await producer.disconnect();
}

/** Reads a topic with kafkajs alone, until `count` messages are there and for a moment longer, lest there be more. */
export async function readRaw(url: string, topic: string, count: number, timeoutMs = 60_000): Promise<RawMessage[]> {
  const read: RawMessage[] = [];
  const kafka = rawKafka(url);
  const consumer = kafka.consumer({ groupId: freshName('raw'), maxWaitTimeInMs: 200 });
  const admin = kafka.admin();
  await Promise.all([consumer.connect(), admin.connect()]);
  await eventually(`${topic} is there`, async () => (await admin.listTopics()).includes(topic), { timeoutMs, intervalMs: 100 });
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message: { offset, key, value, headers = {} } }) =>
      void read.push({ partition, offset, key, value, headers }),
  });
  try {
    await eventually(`${count} messages in ${topic}`, () => read.length >= count, { timeoutMs, intervalMs: 50 }).catch((cause: unknown) => {
      throw new Error(`${read.length} of ${count} messages came`, { cause });
    });
    const ends = await admin.fetchTopicOffsets(topic);
    const total = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
    await eventually(`all ${total} are read`, () => read.length >= total);
    return read;
  } finally {
    await Promise.all([consumer.disconnect(), admin.disconnect()]);
  }
}

/** Header values by name, those of one name in order, each as hex; without the names in `but`. */
export function headerBytes(headers: IHeaders, but: (name: string) => boolean = () => false): Record<string, string[]> {
  const entries = Object.entries(headers).filter(([name]) => !but(name));
  // kafkajs collects headers in a plain object: of one named `constructor` it gives that object's own as well.
  const list = (value: IHeaders[string]) =>
    [value].flat().flatMap((each) => (typeof each === 'function' ? [] : [Buffer.from(each ?? '').toString('hex')]));
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, list(value)]));
}
