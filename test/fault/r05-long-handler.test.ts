import { afterEach, expect, it } from 'vitest';
import type { MainStreamDelivery, StreamStatus } from '../../lib/streams/main-stream';
import type { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWith } from '../support/servers';
import { deferred } from '../support/deferred';
import { FULL_SIZE, openStream } from './kafka-load';

const SESSION_MS = FULL_SIZE ? 10_000 : 6_000;
const HANDLER_MS = FULL_SIZE ? 60_000 : 15_000;

describeWith(['kafka'], 'R5 a handler longer than the session timeout', ({ kafkaUrl }) => {
  const streams: KafkaMainStream[] = [];
  afterEach(async () => {
    await Promise.all(streams.splice(0).map((stream) => stream.close()));
  });

  const open = (partitions: number): KafkaMainStream => {
    const stream = openStream(kafkaUrl, { partitions, consumer: { sessionTimeout: SESSION_MS } });
    streams.push(stream);
    return stream;
  };
  const value = (delivery: MainStreamDelivery): string => String(delivery.message.value);
  const publish = (stream: KafkaMainStream, topic: string, id: string, key: string | null = null) =>
    stream.publish({ topic, key, value: Buffer.from(id), headers: [] });

  it(`runs once (${HANDLER_MS} ms, session ${SESSION_MS} ms), without a rebalance`, { timeout: HANDLER_MS + 60_000 }, async () => {
    const stream = open(1);
    const topic = freshName('long');
    const runs: string[] = [];
    const states: StreamStatus[] = [];
    const settled = deferred<MainStreamDelivery>();
    await stream.subscribe({
      group: freshName('group'),
      topics: [topic],
      maxInFlight: 10,
      drainTimeoutMs: 1_000,
      onDelivery: (delivery) => {
        runs.push(value(delivery));
        if (value(delivery) !== 'long') return delivery.settle();
        setTimeout(() => settled.resolve(delivery), HANDLER_MS);
      },
    });
    stream.onStatus((status) => states.push(status));
    await publish(stream, topic, 'long');
    for (let i = 0; i < 5; i++) await publish(stream, topic, `short ${i}`);
    const delivery = await settled.promise;
    expect(delivery.revoked.aborted).toBe(false);
    delivery.settle();
    await publish(stream, topic, 'last');
    await eventually('the last one came', () => runs.includes('last'));
    expect(runs).toEqual(['long', 'short 0', 'short 1', 'short 2', 'short 3', 'short 4', 'last']);
    expect(states.filter((status) => status !== 'connected')).toEqual([]);
  });

  it('goes on where it is when a second member joins, and does not hold up the group', { timeout: HANDLER_MS + 60_000 }, async () => {
    const topic = freshName('join');
    const group = freshName('group');
    const runs: string[] = [];
    const long = deferred<MainStreamDelivery>();
    const join = (stream: KafkaMainStream, name: string) =>
      stream.subscribe({
        group,
        topics: [topic],
        maxInFlight: 10,
        drainTimeoutMs: 8_000,
        onDelivery: (delivery) => {
          runs.push(`${name} ${value(delivery)} ${delivery.message.partition}`);
          if (value(delivery) === 'long') long.resolve(delivery);
          else delivery.settle();
        },
      });
    const [first, second] = [open(2), open(2)];
    await join(first, 'first');
    await publish(first, topic, 'long', 'a');
    const delivery = await long.promise;
    const ended = new Promise((resolve) => setTimeout(resolve, HANDLER_MS));
    const began = Date.now();
    await join(second, 'second');
    const other = 1 - delivery.message.partition;
    // Keys that fall on either partition: the member with the long handler keeps its own, the other one has moved.
    await eventually(
      'the second member has the other partition',
      async () => {
        await Promise.all(['a', 'b', 'c', 'd', 'e'].map((key) => publish(first, topic, `probe ${key}`, key)));
        return runs.some((run) => run.startsWith('second') && run.endsWith(String(other)));
      },
      { timeoutMs: 20_000, intervalMs: 200 },
    );
    const tookMs = Date.now() - began;
    console.info(`R5: the second member read after ${tookMs} ms beside a handler of ${HANDLER_MS} ms`);
    expect(tookMs).toBeLessThan(8_000);
    await ended;
    expect(delivery.revoked.aborted).toBe(false);
    delivery.settle();
    expect(runs.filter((run) => run.includes('long'))).toHaveLength(1);
    expect(runs.some((run) => run.startsWith('second') && run.endsWith(String(delivery.message.partition)))).toBe(false);
  });

  it('is aborted as REVOKED and runs elsewhere when its partition must move and the drain time is up', { timeout: 60_000 }, async () => {
    const topics = [freshName('move-a'), freshName('move-b')];
    const group = freshName('group');
    const aborted = deferred<unknown>();
    const again = deferred<MainStreamDelivery>();
    const [first, second] = [open(1), open(1)];
    const revoked: string[] = [];
    let started = 0;
    const firstRank: number[] = [];
    await first.subscribe({
      group,
      topics,
      maxInFlight: 10,
      drainTimeoutMs: 1_000,
      onRebalance: (change) => revoked.push(...change.revoked.map(({ topic }) => topic)),
      onDelivery: (delivery) => {
        started++;
        firstRank.push(delivery.message.rank);
        delivery.revoked.addEventListener('abort', () => aborted.resolve(delivery.revoked.reason));
      },
    });
    // Work on both, so that one with work in flight has to go.
    for (const topic of topics) await publish(first, topic, 'long');
    await eventually('both run', () => started === 2);
    await second.subscribe({ group, topics, maxInFlight: 10, drainTimeoutMs: 1_000, onDelivery: (delivery) => again.resolve(delivery) });
    expect(await aborted.promise).toMatchObject({ code: 'REVOKED' });
    const delivery = await again.promise;
    expect(delivery.message.rank).toBeGreaterThan(Math.max(...firstRank));
    expect(revoked).toEqual([delivery.message.topic]);
    delivery.settle();
  });
});
