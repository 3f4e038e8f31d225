import type { Admin, Kafka } from 'kafkajs';
import { describe, expect, it, vi } from 'vitest';
import { KafkaTopics } from '../../../../lib/streams/kafka/kafka.topics';
import { ticks } from '../../../support/tick';

const protocolError = (type: string, topic = ''): Error => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type, topic });

function topicsWith(admin: Partial<Admin>): KafkaTopics {
  const connected = { connect: () => Promise.resolve(), disconnect: () => Promise.resolve(), ...admin };
  return new KafkaTopics({ admin: () => connected } as unknown as Kafka, {});
}

describe('KafkaTopics.ensure', () => {
  /** `failures`: why a topic is not created; none of the others is there before. */
  const creating = (failures: Record<string, string>) => {
    const there = new Set<string>();
    return topicsWith({
      fetchTopicMetadata: ({ topics } = { topics: [] }) =>
        there.has(topics[0]!)
          ? Promise.resolve({ topics: [{ name: topics[0]!, partitions: [{}] as never }] })
          : Promise.reject(protocolError('UNKNOWN_TOPIC_OR_PARTITION')),
      fetchTopicOffsets: () => Promise.resolve([]),
      createTopics: ({ topics }) => {
        const refused = topics.filter(({ topic }) => topic in failures);
        for (const { topic } of topics) if (failures[topic] === undefined || failures[topic] === 'TOPIC_ALREADY_EXISTS') there.add(topic);
        if (refused.length === 0) return Promise.resolve(true);
        const errors = refused.map(({ topic }) => protocolError(failures[topic]!, topic));
        return Promise.reject(Object.assign(new Error('Topic creation errors'), { name: 'KafkaJSAggregateError', errors }));
      },
    });
  };

  it('takes a topic that somebody else created meanwhile as created', async () => {
    await creating({ a: 'TOPIC_ALREADY_EXISTS' }).ensure(['a', 'b']);
  });

  it('says what was refused, wherever it stands among the failures', async () => {
    const failures = { a: 'TOPIC_ALREADY_EXISTS', b: 'REQUEST_TIMED_OUT', c: 'TOPIC_AUTHORIZATION_FAILED' };
    const error: unknown = await creating(failures)
      .ensure(['a', 'b', 'c', 'd'])
      .catch((each: unknown) => each);
    expect(error).toMatchObject({ code: 'NOT_AUTHORIZED', message: expect.stringContaining("'c'") });
    expect((error as Error).message).not.toContain("'a'");
  });
});

describe('KafkaTopics.waitFor', () => {
  /** A topic that is missing at the first `missing` looks, and whose leaders do not serve it at the first `unserved` requests. */
  const coming = (missing: number, unserved: number) => {
    const asked = { looks: 0, offsets: 0 };
    const topics = topicsWith({
      fetchTopicMetadata: () =>
        ++asked.looks <= missing
          ? Promise.reject(protocolError('UNKNOWN_TOPIC_OR_PARTITION'))
          : Promise.resolve({ topics: [{ name: 'a', partitions: [{}, {}] as never }] }),
      fetchTopicOffsets: () =>
        ++asked.offsets <= unserved ? Promise.reject(protocolError('NOT_LEADER_FOR_PARTITION')) : Promise.resolve([]),
    });
    return { asked, topics };
  };

  it.each([
    ['that has come while it was waited for', 1, {}],
    ['that was created', 0, { isCreated: true }],
  ])('waits until the leaders of a topic %s serve it', async (_title, missing, options) => {
    const { asked, topics } = coming(missing, 2);
    expect(await topics.waitFor('a', options)).toBe(2);
    expect(asked.offsets).toBe(3);
  });

  it('asks no leader of a topic that is there', async () => {
    const { asked, topics } = coming(0, 0);
    expect(await topics.waitFor('a')).toBe(2);
    expect(asked).toEqual({ looks: 1, offsets: 0 });
  });

  it('UNKNOWN_TOPIC says which of the two it was', async () => {
    const unserved = await coming(0, Infinity)
      .topics.waitFor('a', { isCreated: true, waitMs: 0 })
      .catch((error: unknown) => error);
    expect(unserved).toMatchObject({ code: 'UNKNOWN_TOPIC', message: expect.stringContaining('no broker serves') });
  });
});

describe('KafkaTopics', () => {
  it('a failure that ends the client does not fail what others ask it for: one is asked after the other', async () => {
    let built = 0;
    const kafka = {
      admin: () => {
        built += 1;
        let cut!: () => void;
        const closed = new Promise<never>((_resolve, reject) => (cut = () => reject(new Error('Closed connection'))));
        return {
          connect: () => Promise.resolve(),
          disconnect: () => Promise.resolve(cut()),
          fetchTopicMetadata: ({ topics: [topic] }: { topics: string[] }) => {
            if (topic === 'refused') return Promise.reject(protocolError('TOPIC_AUTHORIZATION_FAILED'));
            return Promise.race([closed, ticks(3).then(() => ({ topics: [{ name: topic, partitions: [{}] }] }))]);
          },
        };
      },
    } as unknown as Kafka;
    const topics = new KafkaTopics(kafka, {});
    const [before, refused, after] = await Promise.allSettled(['before', 'refused', 'after'].map((topic) => topics.partitionsOf(topic)));
    expect(before).toMatchObject({ status: 'fulfilled', value: 1 });
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'NOT_AUTHORIZED' } });
    expect(after).toMatchObject({ status: 'fulfilled', value: 1 });
    expect(built).toBe(2);
  });

  it('waits for no answer for ever, nor for the end of a client that does not answer', async () => {
    vi.useFakeTimers();
    try {
      const never = () => new Promise<never>(() => undefined);
      const looked = topicsWith({ fetchTopicMetadata: never, disconnect: never })
        .partitionsOf('t')
        .catch((error: unknown) => error);
      await vi.advanceTimersByTimeAsync(62_000);
      expect(await looked).toMatchObject({ code: 'UNREACHABLE' });
    } finally {
      vi.useRealTimers();
    }
  });

  it('asks kafkajs one thing at a time: a look-up takes the place of what it knows of other topics', async () => {
    let [now, most] = [0, 0];
    const alone = async <Answer>(answer: Answer): Promise<Answer> => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return answer;
    };
    const topics = topicsWith({
      fetchTopicMetadata: ({ topics: [name] } = { topics: [] }) => alone({ topics: [{ name: name!, partitions: [{}] as never }] }),
      fetchTopicOffsets: () => alone([{ partition: 0, offset: '5', high: '5', low: '0' }]),
      fetchOffsets: () => Promise.resolve([{ topic: 'a', partitions: [{ partition: 0, offset: '2', metadata: null }] }]),
    });
    const [lag, partitions] = await Promise.all([topics.lag('g', ['a']), topics.partitionsOf('b'), topics.lag('g', ['c'])]);
    expect([lag.get('a'), partitions, most]).toEqual([3, 1, 1]);
  });

  it('goes on after a failure', async () => {
    let failing = true;
    const topics = topicsWith({
      fetchTopicMetadata: () => {
        if (failing) throw new Error('away');
        return Promise.resolve({ topics: [{ name: 'a', partitions: [{}] as never }] });
      },
    });
    const failed = topics.partitionsOf('a').catch((error: unknown) => error);
    expect(await failed).toBeInstanceOf(Error);
    failing = false;
    expect(await topics.partitionsOf('a')).toBe(1);
  });
});
