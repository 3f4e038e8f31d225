import { Kafka, logLevel, AssignerProtocol, type PartitionAssigner } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import type { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import type { StreambackKafkaOptions } from '../../lib/streams/kafka/kafka.options';
import type { MainStreamDelivery, MainStreamSubscribeOptions } from '../../lib/streams/main-stream';
import { openStream } from '../fault/kafka-load';
import { startApp } from '../support/app-process';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { freshName } from '../support/fresh-name';
import { describeWith } from '../support/servers';

describeWith(['kafka'], 'the Kafka adapter', ({ kafkaUrl }) => {
  const streams: KafkaMainStream[] = [];
  afterEach(async () => {
    await Promise.all(streams.splice(0).map((stream) => stream.close()));
  });
  const open = (options: StreambackKafkaOptions = {}, publishTimeoutMs?: number, url = kafkaUrl): KafkaMainStream => {
    const stream = openStream(url, options, publishTimeoutMs);
    streams.push(stream);
    return stream;
  };
  const send = (stream: KafkaMainStream, topic: string, value: string | Buffer, key: string | null = null) =>
    stream.publish({ topic, key, value: Buffer.from(value as string), headers: [] });
  const collect = async (stream: KafkaMainStream, topics: string[], options: Partial<MainStreamSubscribeOptions> = {}) => {
    const all: MainStreamDelivery[] = [];
    const subscription = await stream.subscribe({
      group: freshName('group'),
      topics,
      maxInFlight: 1_000,
      drainTimeoutMs: 500,
      onDelivery: (delivery) => {
        all.push(delivery);
        delivery.settle();
      },
      ...options,
    });
    return { all, subscription, values: () => all.map(({ message }) => String(message.value)) };
  };
  const admin = async <T>(work: (each: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> => {
    const client = new Kafka({ brokers: [kafkaUrl.slice('kafka://'.length)], logLevel: logLevel.NOTHING }).admin();
    await client.connect();
    return work(client).finally(() => client.disconnect());
  };
  const createTopic = (topic: string, numPartitions: number, configEntries: { name: string; value: string }[] = []) =>
    admin((each) => each.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: false }));

  it('UNKNOWN_TOPIC after a short wait, in which other topics are not held up', async () => {
    const stream = open();
    const known = freshName('known');
    await createTopic(known, 1);
    await send(stream, known, 'first');
    const began = Date.now();
    const missing = send(stream, freshName('missing'), 'x').then(
      () => expect.fail('it was taken'),
      (error: unknown) => ({ error, tookMs: Date.now() - began }),
    );
    for (let i = 0; i < 20; i++) await send(stream, known, String(i));
    expect(Date.now() - began).toBeLessThan(1_500);
    const { error, tookMs } = await missing;
    expect(error).toMatchObject({ code: 'UNKNOWN_TOPIC', retryable: true });
    expect(tookMs).toBeGreaterThan(1_500);
    expect(tookMs).toBeLessThan(4_000);
  });

  it('waits for a topic that is created a moment later', async () => {
    const stream = open();
    const topic = freshName('late');
    const sent = send(stream, topic, 'x');
    await createTopic(topic, 2);
    await sent;
  });

  it('UNKNOWN_TOPIC again for a topic that was deleted, and other topics go on', async () => {
    // Metadata that is asked for anew soon: kafkajs asks for the deleted topic as well.
    const stream = open({ producer: { metadataMaxAge: 50 } }, 5_000);
    const [kept, deleted] = [freshName('kept'), freshName('deleted')];
    await createTopic(kept, 1);
    await createTopic(deleted, 1);
    await Promise.all([send(stream, kept, 'a'), send(stream, deleted, 'a')]);
    await admin((each) => each.deleteTopics({ topics: [deleted] }));
    await expect(send(stream, deleted, 'b')).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' });
    for (let i = 0; i < 10; i++) {
      await send(stream, kept, 'b');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  it('uses partitions that were added since, losing nothing', async () => {
    const stream = open({ producer: { metadataMaxAge: 200 }, consumer: { metadataMaxAge: 200 } });
    const topic = freshName('grows');
    await createTopic(topic, 1);
    const { all, values } = await collect(stream, [topic]);
    await send(stream, topic, 'before', 'k');
    await admin((each) => each.createPartitions({ topicPartitions: [{ topic, count: 4 }] }));
    const sent: string[] = ['before'];
    await eventually('all partitions are used', async () => {
      for (let i = 0; i < 8; i++) {
        sent.push(`${sent.length}`);
        await send(stream, topic, sent.at(-1)!);
      }
      return new Set(all.map(({ message }) => message.partition)).size === 4;
    });
    await eventually('all came', () => new Set(values()).size === sent.length);
  });

  it('TOO_LARGE where the broker says so, and only for the message that is', async () => {
    const stream = open();
    const topic = freshName('small');
    await createTopic(topic, 1, [{ name: 'max.message.bytes', value: '2000' }]);
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_each, index) => send(stream, topic, Buffer.alloc(index === 13 ? 3_000 : 300, String(index)))),
    );
    expect(results.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([13]);
    expect((results[13] as PromiseRejectedResult).reason).toMatchObject({ code: 'TOO_LARGE' });
  });

  it('sends 3 MB in messages of 200 KB at once', async () => {
    const stream = open({ partitions: 1 });
    const topic = freshName('bulk');
    const { all } = await collect(stream, [topic]);
    await Promise.all(Array.from({ length: 15 }, () => send(stream, topic, Buffer.alloc(200_000, 'x'))));
    await eventually('all came', () => all.length === 15);
  });

  it('UNREACHABLE where nothing listens, without the password', async () => {
    const port = await freePort();
    const stream = open({ allowPlaintextSasl: true }, 1_500, `kafka://me:canary@127.0.0.1:${port}`);
    const refused: unknown = await stream.connect().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'UNREACHABLE', retryable: true });
    const unsent: unknown = await send(stream, 'any', 'x').catch((error: unknown) => error);
    expect(unsent).toMatchObject({ code: 'UNREACHABLE' });
    for (const error of [refused, unsent])
      expect(`${String(error)} ${JSON.stringify(error)} ${(error as Error).stack}`).not.toContain('canary');
  });

  it('flushes at close what was handed over', async () => {
    const topic = freshName('flush');
    await createTopic(topic, 1);
    const stream = open();
    const sent = Array.from({ length: 2_000 }, (_each, index) => send(stream, topic, String(index)));
    await stream.close();
    await Promise.all(sent);
    await expect(send(stream, topic, 'x')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('UNKNOWN_TOPIC from subscribe where topics may not be created', async () => {
    await expect(collect(open({ createTopics: false }), [freshName('absent')])).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' });
  });

  it('fromBeginning: false begins at what comes after subscribe, and a restart loses nothing', async () => {
    const topic = freshName('latest');
    const group = freshName('group');
    await createTopic(topic, 3);
    const producer = open();
    for (let i = 0; i < 10; i++) await send(producer, topic, `old ${i}`, String(i));
    const first = await collect(open({ fromBeginning: false }), [topic], { group, onDelivery: () => undefined });
    await first.subscription.close();
    for (let i = 0; i < 10; i++) await send(producer, topic, `new ${i}`, String(i));
    const second = await collect(open({ fromBeginning: false }), [topic], { group });
    await eventually('the new ones came', () => second.all.length >= 10);
    expect(second.values().filter((value) => value.startsWith('old'))).toEqual([]);
    expect(new Set(second.values()).size).toBe(10);
  });

  it('M7: no more than maxUncommitted are handed over ahead of the commit, and one stuck message holds up only its partition', async () => {
    const topic = freshName('ahead');
    await createTopic(topic, 2);
    const stream = open({ maxUncommitted: 50, commitIntervalMs: 60_000 });
    let stuck: MainStreamDelivery | undefined;
    const seen = new Map<number, number>();
    await collect(stream, [topic], {
      onDelivery: (delivery) => {
        const { partition } = delivery.message;
        seen.set(partition, (seen.get(partition) ?? 0) + 1);
        if (!stuck) stuck = delivery;
        else delivery.settle();
      },
    });
    const keys = Array.from({ length: 600 }, (_each, index) => String(index));
    await Promise.all(keys.map((key) => send(stream, topic, key, key)));
    // The other partition goes on, although no commit is due by time: one is made early.
    const other = 1 - (await eventually('one is stuck', () => stuck)).message.partition;
    await eventually('the other partition is through', () => (seen.get(other) ?? 0) > 200);
    expect(seen.get(1 - other)).toBe(50);
    stuck!.settle();
    await eventually('all are through', () => [...seen.values()].reduce((sum, each) => sum + each, 0) === 600);
  });

  it('shares a group with programs that speak range only: nothing lost, and what they take from us was finished first', async () => {
    const topic = freshName('mixed');
    const group = freshName('group');
    await createTopic(topic, 6);
    const producer = open();
    const handlers = new Map<string, string[]>();
    const note = (who: string, value: string | null | undefined): void => {
      handlers.set(String(value), [...(handlers.get(String(value)) ?? []), who]);
    };
    await collect(open(), [topic], {
      group,
      drainTimeoutMs: 5_000,
      onDelivery: (delivery) => {
        note('ours', String(delivery.message.value));
        setTimeout(() => delivery.settle(), 50);
      },
    });
    const counts = new Map<string, number>();
    const joinForeign = async (who: string) => {
      const foreign = new Kafka({ brokers: [kafkaUrl.slice('kafka://'.length)], logLevel: logLevel.NOTHING }).consumer({
        groupId: group,
        partitionAssigners: [rangeAssigner],
        heartbeatInterval: 500,
        maxWaitTimeInMs: 200,
      });
      await foreign.connect();
      await foreign.subscribe({ topics: [topic], fromBeginning: true });
      await foreign.run({
        eachMessage: ({ message }) => {
          note(who, message.value?.toString());
          counts.set(who, (counts.get(who) ?? 0) + 1);
          return Promise.resolve();
        },
      });
      return foreign;
    };
    let sent = 0;
    const load = async (until: () => boolean): Promise<void> => {
      const end = Date.now() + 20_000;
      while (!until() && Date.now() < end) {
        await Promise.all(Array.from({ length: 20 }, () => send(producer, topic, String(sent), String(sent++))));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const joinUnderLoad = async (who: string) => {
      const joining = joinForeign(who);
      await load(() => (counts.get(who) ?? 0) > 20);
      return joining;
    };
    const first = await joinUnderLoad('first');
    // Until here the group was ours alone, and its partitions went at once. From here on each join is held until work has ended.
    const since = sent;
    const second = await joinUnderLoad('second');
    await first.disconnect();
    await second.disconnect();
    await eventually('none is lost', () => handlers.size === sent, { timeoutMs: 30_000 });
    const takenUnfinished = [...handlers].filter(([value, who]) => Number(value) >= since && who[0] === 'ours' && who.length > 1);
    console.info(`mixed group: ${sent} published, ${sent - handlers.size} lost, ${takenUnfinished.length} taken before they were finished`);
    expect(counts.get('second')).toBeGreaterThan(20);
    expect(takenUnfinished).toEqual([]);
  });

  it('leaves nothing that keeps a process alive after close', async () => {
    const app = await startApp('test/contract/apps/kafka-exit.app.ts', { args: [kafkaUrl, freshName('exit')] });
    await app.next('closed', 30_000);
    const closedAt = Date.now();
    expect(await app.exited).toEqual({ code: 0, signal: null });
    expect(Date.now() - closedAt).toBeLessThan(1_000);
  });
});

/** Range as other programs have it: contiguous shares of each topic, by member id. */
const rangeAssigner: PartitionAssigner = ({ cluster }) => ({
  name: 'range',
  version: 0,
  protocol: ({ topics }) => ({
    name: 'range',
    metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
  }),
  assign: ({ members, topics }) => {
    const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
    return Promise.resolve(
      sorted.map(({ memberId }, index) => {
        const assignment = Object.fromEntries(
          topics.map((topic) => {
            const partitions = cluster
              .findTopicPartitionMetadata(topic)
              .map(({ partitionId }) => partitionId)
              .sort((a, b) => a - b);
            const share = Math.ceil(partitions.length / sorted.length);
            return [topic, partitions.slice(index * share, (index + 1) * share)];
          }),
        );
        return {
          memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) }),
        };
      }),
    );
  },
});
