import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BatchSender } from '../../../../lib/streams/kafka/kafka.batch-sender';
import {
  createPublishTopic,
  MAX_PARTITION_BYTES,
  type PendingMessage,
  type PublishTopic,
} from '../../../../lib/streams/kafka/kafka.publish-queue';

type Send = (messages: readonly PendingMessage[]) => Promise<void>;

const kafkaError = (type: string): Error =>
  Object.assign(new Error(type), { name: 'KafkaJSNumberOfRetriesExceeded', cause: Object.assign(new Error(type), { type }) });

class Bench {
  readonly batches: string[][] = [];
  readonly partitions: number[][] = [];
  readonly troubles: unknown[] = [];
  readonly sender: BatchSender;
  readonly topics = new Map<string, PublishTopic>();

  constructor(
    private readonly answer: Send = () => Promise.resolve(),
    private readonly timeoutMs = 10_000,
  ) {
    this.sender = new BatchSender({
      publishTimeoutMs: timeoutMs,
      onTrouble: (error) => this.troubles.push(error),
      onUnknownTopic: () => Promise.resolve(),
      send: (messages) => {
        this.batches.push(messages.map(({ record }) => String(record.value)));
        this.partitions.push(messages.map(({ record }) => record.partition!));
        for (const message of messages) message.sent = true;
        return this.answer(messages);
      },
    });
  }

  topic(name = 't', partitions = 3): PublishTopic {
    let topic = this.topics.get(name);
    if (!topic) this.topics.set(name, (topic = Object.assign(createPublishTopic(name), { partitions })));
    return topic;
  }

  publish(value: string, { topic = 't', key = null as string | null, bytes = 100 } = {}): Promise<void> {
    return new Promise((resolve, reject) =>
      this.sender.push({
        topic: this.topic(topic),
        createTopic: false,
        record: { key: key === null ? null : Buffer.from(key), value: Buffer.from(value) },
        bytes,
        deadline: Date.now() + this.timeoutMs,
        resolve,
        reject,
        done: false,
        sent: false,
      }),
    );
  }
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_each, index) => String(index));

describe('BatchSender', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] }));
  afterEach(() => void vi.useRealTimers());

  it('sends what one tick publishes in one batch, microtasks included', async () => {
    const bench = new Bench();
    const first = bench.publish('0');
    const rest = Promise.resolve().then(() => Promise.all([bench.publish('1'), Promise.resolve().then(() => bench.publish('2'))]));
    await Promise.all([first, rest]);
    expect(bench.batches).toEqual([['0', '1', '2']]);
  });

  it('has one batch on its way; the next gathers meanwhile', async () => {
    const answers: (() => void)[] = [];
    const bench = new Bench(() => new Promise((resolve) => answers.push(resolve)));
    const first = bench.publish('0');
    await new Promise((resolve) => setImmediate(resolve));
    const rest = [bench.publish('1'), bench.publish('2')];
    await new Promise((resolve) => setImmediate(resolve));
    expect(bench.batches).toEqual([['0']]);
    answers[0]!();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    expect(bench.batches).toEqual([['0'], ['1', '2']]);
    answers[1]!();
    await Promise.all(rest);
  });

  it('puts at most 1,000 messages in a batch, and at most a record batch per partition', async () => {
    const bench = new Bench();
    await Promise.all(numbers(2_500).map((id) => bench.publish(id)));
    expect(bench.batches.map((batch) => batch.length)).toEqual([1_000, 1_000, 500]);
    const large = new Bench();
    await Promise.all(['a', 'b', 'c'].map((id) => large.publish(id, { key: 'k', bytes: MAX_PARTITION_BYTES / 2 })));
    expect(large.batches).toEqual([['a', 'b'], ['c']]);
    const alone = new Bench();
    await Promise.all(['a', 'b'].map((id) => alone.publish(id, { key: 'k', bytes: MAX_PARTITION_BYTES * 2 })));
    expect(alone.batches).toEqual([['a'], ['b']]);
  });

  it('spreads messages without a key over all partitions, a batch at a time', async () => {
    const bench = new Bench();
    for (const id of numbers(6)) await bench.publish(id);
    const used = bench.partitions.flat();
    expect([0, 1, 2].map((partition) => used.filter((each) => each === partition).length)).toEqual([2, 2, 2]);
  });

  it('sends a failed batch again as it was: same messages, same partitions', async () => {
    let failures = 2;
    const bench = new Bench(() => (failures-- > 0 ? Promise.reject(kafkaError('NOT_LEADER_FOR_PARTITION')) : Promise.resolve()));
    const done = Promise.all(numbers(20).map((id) => bench.publish(id, { key: id })));
    await vi.advanceTimersByTimeAsync(1_000);
    await done;
    expect(bench.batches).toHaveLength(3);
    expect(bench.batches[1]).toEqual(bench.batches[0]);
    expect(bench.partitions[2]).toEqual(bench.partitions[0]);
    expect(bench.troubles.map(Boolean)).toEqual([true, true, false]);
  });

  it('gives up each message at its own time, and goes on with the rest', async () => {
    let away = true;
    const bench = new Bench(() => (away ? Promise.reject(new Error('away')) : Promise.resolve()), 2_000);
    const early = bench.publish('early').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1_500);
    const late = bench.publish('late');
    await vi.advanceTimersByTimeAsync(600);
    expect(await early).toMatchObject({ code: 'PUBLISH_TIMEOUT', retryable: true });
    away = false;
    await vi.advanceTimersByTimeAsync(1_300);
    await late;
  });

  it('gives up what hangs in a request that is never answered', async () => {
    const bench = new Bench(() => new Promise(() => undefined), 2_000);
    const hanging = bench.publish('hangs').catch((error: unknown) => error);
    const behind = bench.publish('behind').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(2_200);
    expect(await hanging).toMatchObject({ code: 'PUBLISH_TIMEOUT' });
    expect(await behind).toMatchObject({ code: 'PUBLISH_TIMEOUT' });
  });

  it('finds the one message that is too large, and sends the others in order', async () => {
    const arrived: string[] = [];
    const bench = new Bench((messages) => {
      if (messages.some(({ record }) => String(record.value) === '37')) return Promise.reject(kafkaError('MESSAGE_TOO_LARGE'));
      arrived.push(...messages.map(({ record }) => String(record.value)));
      return Promise.resolve();
    });
    const results = await Promise.allSettled(numbers(100).map((id) => bench.publish(id, { key: 'k' })));
    expect(results.map(({ status }, index) => (status === 'rejected' ? index : -1)).filter((index) => index >= 0)).toEqual([37]);
    expect((results[37] as PromiseRejectedResult).reason).toMatchObject({ code: 'TOO_LARGE' });
    expect(arrived).toEqual(numbers(100).filter((id) => id !== '37'));
  });

  it('fails the messages of a topic that is refused, and of no other', async () => {
    const bench = new Bench((messages) =>
      messages.some(({ topic }) => topic.name === 'secret') ? Promise.reject(kafkaError('TOPIC_AUTHORIZATION_FAILED')) : Promise.resolve(),
    );
    const publish = () => Promise.allSettled(['a', 'secret', 'b', 'secret'].map((topic) => bench.publish(topic, { topic })));
    const results = await publish();
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'NOT_AUTHORIZED' });
    // From then on it travels alone: what travelled with it would be written twice each time.
    bench.batches.length = 0;
    await publish();
    expect(bench.batches).toEqual([['a'], ['secret'], ['b'], ['secret']]);
  });

  it('fails all when the login is refused', async () => {
    const bench = new Bench(() => Promise.reject(Object.assign(new Error('no'), { name: 'KafkaJSSASLAuthenticationError' })));
    await expect(bench.publish('a')).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED', retryable: false });
  });

  it('drains, and leaves no timer behind when it ends', async () => {
    const bench = new Bench();
    void bench.publish('a');
    await bench.sender.drained();
    expect(bench.batches).toEqual([['a']]);
    bench.sender.end();
    expect(vi.getTimerCount()).toBe(0);
  });
});
