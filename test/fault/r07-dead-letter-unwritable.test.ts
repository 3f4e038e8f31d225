import { Controller, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { Admin } from 'kafkajs';
import { lastValueFrom } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { StreambackClient, StreambackModule, StreambackServer, type StreambackKafkaOptions } from '../../lib';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { RecordingLogger } from '../support/recording-logger';
import { describeWith } from '../support/servers';
import { FULL_SIZE } from './kafka-load';
import { publishRaw, rawKafka, readRaw } from './raw-kafka';

const OUTAGE_MS = FULL_SIZE ? 30_000 : 5_000;
const BEFORE = 5;
const BEHIND = 40;
const BOUND_MS = 5_000;

describeWith(['own-kafka'], 'R7 the dead-letter topic cannot be written', () => {
  let server: KafkaServer;
  let admin: Admin;
  let app: INestApplication;
  let topic: string;
  let logger: RecordingLogger;
  let handled: Map<number, number>;
  beforeAll(async () => {
    server = await startKafka({ nodes: 3 });
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    admin = rawKafka(server.url).admin();
    await admin.connect();
    topic = freshName('unwritable');
    logger = new RecordingLogger();
    handled = new Map();
  });
  afterEach(async () => {
    await app?.close();
    await admin.disconnect();
  });

  /** On the nodes that are named; node 3 is the one that dies. */
  const createTopic = (name: string, replicas = [1], inSync = 1) =>
    createTopics(admin, {
      topic: name,
      replicaAssignment: [{ partition: 0, replicas }],
      configEntries: [{ name: 'min.insync.replicas', value: String(inSync) }],
    });
  const start = async (kafka: StreambackKafkaOptions): Promise<void> => {
    @Controller()
    class Target {
      @EventPattern<string>(topic)
      take(@Payload() { id, fails }: { id: number; fails?: boolean }): void {
        if (fails) throw new Error('poison');
        handled.set(id, (handled.get(id) ?? 0) + 1);
      }
    }
    @Module({
      imports: [StreambackModule.forRoot({ group: topic, streams: `main=${server.url}`, kafka: { commitIntervalMs: 200, ...kafka } })],
      controllers: [Target],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, { logger });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
  };
  const committed = async (): Promise<number> =>
    Number((await admin.fetchOffsets({ groupId: topic, topics: [topic] }))[0]!.partitions[0]!.offset);

  /** A message that must be put aside, with good ones before and behind it, while that cannot be done. */
  const outage = async (poison: string, end: () => Promise<unknown>, meanwhile?: () => Promise<unknown>): Promise<void> => {
    const good = (from: number, count: number) => Array.from({ length: count }, (_, n) => ({ value: JSON.stringify({ id: from + n }) }));
    await publishRaw(server.url, topic, [...good(0, BEFORE), { value: poison }, ...good(BEFORE, BEHIND)]);
    await eventually('what is before it is committed, and what is behind it handled', async () => {
      return (await committed()) === BEFORE && handled.size === BEFORE + BEHIND;
    });
    const until = Date.now() + OUTAGE_MS;
    let looks = 0;
    await meanwhile?.();
    await eventually(
      'the outage lasts',
      async () => {
        looks += 1;
        expect(await committed()).toBe(BEFORE);
        return Date.now() > until;
      },
      { timeoutMs: OUTAGE_MS + 5_000, intervalMs: 250 },
    );
    await end();
    const over = Date.now();
    await eventually('it goes on', async () => (await committed()) === BEFORE + 1 + BEHIND, { timeoutMs: 30_000 });
    const tookMs = Date.now() - over;
    const letters = await readRaw(server.url, `${topic}.dlt`, 1);
    const twice = [...handled.values()].filter((count) => count > 1).length;
    const loud = logger.having('cannot be written, trying again');
    console.info(
      `R7: ${OUTAGE_MS} ms, committed looked at ${looks} times, always ${BEFORE}; went on after ${tookMs} ms; ` +
        `${letters.length} dead letter(s), ${handled.size} of ${BEFORE + BEHIND} handled, ${twice} twice, said ${loud.length} time(s)`,
    );
    expect(tookMs).toBeLessThanOrEqual(BOUND_MS);
    expect(letters.map(({ value }) => String(value))).toEqual([poison]);
    expect([handled.size, twice]).toEqual([BEFORE + BEHIND, 0]);
  };

  it('it is missing, and may not be created', { timeout: 120_000 }, async () => {
    await createTopic(topic);
    await start({ createTopics: false });
    await outage('not JSON', () => createTopic(`${topic}.dlt`));
    const [loud, ...more] = logger.having('cannot be written, trying again');
    expect(loud).toContain('kafka.createTopics');
    expect(more).toEqual([]);
  });

  it('a replica that it needs is down: other topics can be written meanwhile', { timeout: 180_000 }, async () => {
    const other = freshName('other');
    const node = server.nodes[2]!;
    for (const name of [topic, other]) await createTopic(name);
    await createTopic(`${topic}.dlt`, [2, 3], 2);
    const inSync = async () => (await admin.fetchTopicMetadata({ topics: [`${topic}.dlt`] })).topics[0]!.partitions[0]!.isr.length;
    await start({});
    await node.kill();
    await eventually('the loss is noticed', async () => (await inSync()) === 1, { timeoutMs: 30_000 });
    const repair = async () => {
      await node.start();
      await eventually('it is in sync again', async () => (await inSync()) === 2, { timeoutMs: 60_000 });
    };
    await outage(JSON.stringify({ id: -1, fails: true }), repair, async () => {
      const began = Date.now();
      for (let n = 0; n < 5; n++) await lastValueFrom(app.get(StreambackClient).emit(other, { n }));
      console.info(`R7: 5 events to another topic meanwhile, in ${Date.now() - began} ms`);
      expect(Date.now() - began).toBeLessThan(2_000);
    });
  });
});
