import type { Kafka, Producer, ProducerBatch } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StreambackConnectionError } from '../../../../lib/common/errors';
import { KafkaProducer } from '../../../../lib/streams/kafka/kafka.producer';
import { partitionOfKey } from '../../../../lib/streams/kafka/kafka.partitioner';
import type { KafkaTopics } from '../../../../lib/streams/kafka/kafka.topics';
import { RecordingLogger } from '../../../support/recording-logger';

const protocolError = (type: string): Error => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type });

/** kafkajs' producer and the lookup of topics, as far as this needs them. */
class Bench {
  readonly logger = new RecordingLogger();
  /** The clients that are connected, by their number. */
  readonly open = new Set<number>();
  built = 0;
  partitions: number | undefined = 6;
  lookUp = (): Promise<number> => Promise.resolve(this.partitions!);
  connect: () => Promise<void> = () => Promise.resolve();
  answer: (batch: ProducerBatch, client: number) => Promise<void> = () => Promise.resolve();
  readonly producer = new KafkaProducer({
    kafka: { producer: () => this.client() } as unknown as Kafka,
    topics: {
      waitFor: () => this.lookUp(),
      partitionsOf: () => Promise.resolve(this.partitions),
    } as unknown as KafkaTopics,
    options: {},
    publishTimeoutMs: 120_000,
    address: 'host:9092',
    logger: this.logger,
    onStatus: () => {},
  });

  publish(key: string | null = null): Promise<void> {
    return this.producer.publish({ topic: 't', key, value: Buffer.from('x'), headers: [] });
  }

  private client(): Partial<Producer> {
    const client = (this.built += 1);
    return {
      connect: () => this.connect().then(() => void this.open.add(client)),
      disconnect: () => Promise.resolve(void this.open.delete(client)),
      sendBatch: async (batch) => {
        await this.answer(batch, client);
        return batch.topicMessages!.flatMap(({ messages }) => [...new Set(messages.map(({ partition }) => partition))]) as never;
      },
    };
  }
}

describe('KafkaProducer', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('close sends what looks for its topic again, and leaves no client behind', async () => {
    const bench = new Bench();
    bench.answer = () => {
      if (bench.built > 1) return Promise.resolve();
      bench.partitions = undefined;
      bench.lookUp = () => new Promise((resolve) => setTimeout(() => resolve((bench.partitions = 1)), 1_000));
      return Promise.reject(protocolError('UNKNOWN_TOPIC_OR_PARTITION'));
    };
    const published = bench.publish();
    const closed = bench.producer.close();
    await vi.advanceTimersByTimeAsync(2_000);
    await published;
    await closed;
    expect(bench.built).toBe(2);
    expect([...bench.open]).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('UNREACHABLE after publishTimeoutMs where a first connection is taken and never answered', async () => {
    const bench = new Bench();
    bench.connect = () => new Promise(() => undefined);
    const connected = bench.producer.connect();
    const failed = expect(connected).rejects.toMatchObject({ code: 'UNREACHABLE', remedy: expect.stringContaining('Kafka broker') });
    await vi.advanceTimersByTimeAsync(120_000);
    await failed;
    const closed = bench.producer.close();
    await vi.advanceTimersByTimeAsync(2_000);
    await closed;
  }, 2_000);

  it('gives up a client that does not answer, and sends by another', async () => {
    const bench = new Bench();
    bench.answer = (_batch, client) => (client === 1 ? new Promise(() => undefined) : Promise.resolve());
    const published = bench.publish();
    await vi.advanceTimersByTimeAsync(70_000);
    await published;
    expect([...bench.open]).toEqual([2]);
  });

  it('UNREACHABLE after publishTimeoutMs where nothing says where a topic is, and a later message is looked up anew', async () => {
    const bench = new Bench();
    bench.lookUp = () => new Promise(() => undefined);
    const published = bench.publish().catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(await published).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('host:9092') });
    bench.lookUp = () => Promise.resolve(6);
    await bench.publish();
  });

  it('says what went wrong last where it was told something until publishTimeoutMs was over', async () => {
    const bench = new Bench();
    const closed = new StreambackConnectionError('UNREACHABLE', 'Closed connection');
    bench.lookUp = () => Promise.reject(closed);
    setTimeout(() => (bench.lookUp = () => new Promise(() => undefined)), 1_000);
    const published = bench.publish().catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(await published).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/did not say .*: Closed connection$/),
      cause: closed,
    });
  });

  it('places messages anew when their topic was made anew with fewer partitions', async () => {
    const bench = new Bench();
    const keys = Array.from({ length: 30 }, (_each, index) => `key ${index}`);
    const placed: [string, number][] = [];
    bench.answer = ({ topicMessages }) => {
      const messages = topicMessages!.flatMap((each) => each.messages);
      bench.partitions = 2;
      if (messages.some(({ partition }) => partition! >= 2)) return Promise.reject(protocolError('UNKNOWN_TOPIC_OR_PARTITION'));
      placed.push(...messages.map(({ key, partition }): [string, number] => [String(key), partition!]));
      return Promise.resolve();
    };
    const published = Promise.all(keys.map((key) => bench.publish(key)));
    await vi.advanceTimersByTimeAsync(1_000);
    await published;
    expect(placed).toEqual(keys.map((key) => [key, partitionOfKey(Buffer.from(key), 2)]));
  });
});
