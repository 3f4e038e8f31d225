import { afterAll, beforeAll, expect, it } from 'vitest';
import { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import type { StreambackKafkaOptions } from '../../lib/streams/kafka/kafka.options';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { RecordingLogger } from '../support/recording-logger';
import { describeWith } from '../support/servers';

/** What is published to the topic that stays is handled within so long, whatever becomes of the other. */
const MOST_MS = 12_000;

describeWith(['own-kafka'], 'a topic is deleted', () => {
  let kafka: KafkaServer;
  beforeAll(async () => {
    kafka = await startKafka();
  }, 120_000);
  afterAll(() => kafka?.stop());

  const open = (options: StreambackKafkaOptions) => {
    const logger = new RecordingLogger();
    const stream = new KafkaMainStream({ url: parseStreamUrl(kafka.url), options, publishTimeoutMs: 5_000, logger });
    const loud = () => logger.lines.filter((line) => /^(warn|error)/.test(line));
    return { stream, loud, logger };
  };
  const create = (...topics: string[]) =>
    kafka.withAdmin((admin) =>
      admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 2, replicationFactor: 1 })), waitForLeaders: false }),
    );
  const remove = (topic: string) => kafka.withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
  const send = (stream: KafkaMainStream, topic: string, value: string) =>
    stream.publish({ topic, key: value, value: Buffer.from(value), headers: [] });

  /** Publishes to `topic` all the time, and measures how long a message takes at most. */
  function trickle(stream: KafkaMainStream, topic: string, handled: (value: string) => boolean) {
    const published: string[] = [];
    let running = true;
    let slowestMs = 0;
    const waiting = new Map<string, number>();
    const measure = () => {
      for (const [value, at] of waiting) {
        slowestMs = Math.max(slowestMs, Date.now() - at);
        if (handled(value)) waiting.delete(value);
      }
    };
    const ended = (async () => {
      for (let id = 0; running || waiting.size > 0; id++) {
        if (running) {
          const value = `${topic} ${id}`;
          await send(stream, topic, value);
          published.push(value);
          waiting.set(value, Date.now());
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
        measure();
        if (slowestMs > 60_000) throw new Error(`${waiting.size} of ${published.length} were not handled within 60 s`);
      }
    })();
    return {
      published,
      async end(): Promise<number> {
        running = false;
        await ended;
        return slowestMs;
      },
    };
  }

  it.each([
    { createTopics: false, what: 'goes on with the others, says so once, and reads it when it is there again' },
    { createTopics: true, what: 'creates it again, and goes on' },
  ])('a consumer (createTopics: $createTopics) $what', { timeout: 120_000 }, async ({ createTopics }) => {
    const [kept, deleted] = [freshName('kept'), freshName('deleted')];
    await create(kept, deleted);
    const { stream, loud, logger } = open({ createTopics, commitIntervalMs: 100, partitions: 2 });
    const producer = open({}).stream;
    const handled = new Map<string, number>();
    await stream.subscribe({
      group: freshName('group'),
      topics: [kept, deleted],
      maxInFlight: 100,
      drainTimeoutMs: 1_000,
      onDelivery: (delivery) => {
        const value = String(delivery.message.value);
        handled.set(value, (handled.get(value) ?? 0) + 1);
        delivery.settle();
      },
    });
    for (let i = 0; i < 50; i++) await send(producer, deleted, `old ${i}`);
    await eventually('the old ones are handled', () => handled.size === 50);
    const trickling = trickle(producer, kept, (value) => handled.has(value));
    await remove(deleted);
    if (createTopics) {
      await eventually('it is there again', async () => kafka.withAdmin(async (admin) => (await admin.listTopics()).includes(deleted)), {
        timeoutMs: 60_000,
      });
    } else {
      await eventually('it was said', () => loud().length > 0, { timeoutMs: 60_000 });
      // Several looks for it later.
      const since = trickling.published.length;
      await eventually(
        'the other topic goes on',
        () => trickling.published.length > since + 300 && handled.has(trickling.published[since + 300]!),
        {
          timeoutMs: 60_000,
        },
      );
      await create(deleted);
    }
    // Fewer than before: what was handled of the old topic does not count for the new one.
    await eventually('it can be published to', () =>
      send(producer, deleted, 'new 0').then(
        () => true,
        () => false,
      ),
    );
    for (let i = 1; i < 20; i++) await send(producer, deleted, `new ${i}`);
    await eventually('the new ones are handled', () => Array.from({ length: 20 }, (_each, i) => handled.has(`new ${i}`)).every(Boolean), {
      timeoutMs: 30_000,
    }).catch((error: Error) => {
      throw new Error(`${JSON.stringify([...handled.keys()].filter((each) => each.startsWith('new')))} ${logger.lines.join('\n')}`, {
        cause: error,
      });
    });
    const slowestMs = await trickling.end();
    const lost = trickling.published.filter((value) => !handled.has(value)).length;
    console.info(
      `topic deleted, createTopics ${createTopics}: ${trickling.published.length} published to the other, ${lost} lost, slowest ${slowestMs} ms; ` +
        `said: ${JSON.stringify(loud())}`,
    );
    expect(lost).toBe(0);
    expect(slowestMs).toBeLessThan(MOST_MS);
    expect(loud()).toHaveLength(1);
    expect(loud()[0]).toContain(deleted);
    await stream.close();
    await producer.close();
  });

  it(
    'a producer: UNKNOWN_TOPIC while it is missing, other topics unharmed, and on when it is there again',
    { timeout: 120_000 },
    async () => {
      const [kept, deleted] = [freshName('kept'), freshName('deleted')];
      await create(kept, deleted);
      const { stream, loud } = open({ createTopics: false });
      await Promise.all([send(stream, kept, 'a'), send(stream, deleted, 'a')]);
      let slowestMs = 0;
      let running = true;
      const other = (async () => {
        for (; running;) {
          const began = Date.now();
          await send(stream, kept, 'b');
          slowestMs = Math.max(slowestMs, Date.now() - began);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      await remove(deleted);
      for (let i = 0; i < 3; i++)
        await expect(send(stream, deleted, 'b')).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC', retryable: true });
      const late = send(stream, deleted, 'late');
      await create(deleted);
      await late;
      await eventually('it goes on', () => send(stream, deleted, 'c').then(() => true));
      running = false;
      await other;
      console.info(`topic deleted under a producer: slowest publish to the other ${slowestMs} ms; said: ${JSON.stringify(loud())}`);
      expect(slowestMs).toBeLessThan(2_000);
      await stream.close();
    },
  );
});
