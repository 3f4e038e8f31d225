import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StreamStatus } from '../../lib/streams/main-stream';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';
import { FULL_SIZE, Ledger, Member, openStream, publishIds } from './kafka-load';

const MESSAGES = FULL_SIZE ? 10_000 : 1_000;
const RESTARTS = FULL_SIZE ? 3 : 1;

describeWith(['own-kafka'], 'R1 Kafka restarted under load', () => {
  let kafka: KafkaServer;
  beforeAll(async () => {
    kafka = await startKafka();
  }, 120_000);
  afterAll(() => kafka?.stop());

  it(`${MESSAGES} messages over ${RESTARTS} restart(s): 0 lost, consuming again within 30 s`, { timeout: 240_000 }, async () => {
    const topic = freshName('restart');
    const ledger = new Ledger();
    const producer = openStream(kafka.url, { partitions: 3 });
    const states: StreamStatus[] = [];
    const consumer = openStream(kafka.url, { partitions: 3 });
    const member = await Member.join(consumer, freshName('group'), [topic], ledger, () => 1);
    consumer.onStatus((status) => states.push(status));
    const share = Math.floor(MESSAGES / (RESTARTS + 1));
    let from = 0;
    for (let restart = 0; restart < RESTARTS; restart++) {
      await publishIds(producer, ledger, { topic, from, to: from + share });
      from += share;
      const publishing = publishIds(producer, ledger, { topic, from, to: from + 100 });
      await kafka.nodes[0]!.kill();
      await eventually('the loss is noticed', () => states.at(-1) === 'reconnecting', { timeoutMs: 20_000 });
      await kafka.nodes[0]!.start();
      const back = Date.now();
      await publishing;
      from += 100;
      await ledger.complete(30_000);
      console.info(`R1: consuming again ${Date.now() - back} ms after Kafka was back`);
      expect(Date.now() - back).toBeLessThan(30_000);
    }
    await publishIds(producer, ledger, { topic, from, to: Math.max(from, MESSAGES) });
    await ledger.complete(30_000);
    console.info(
      `R1: ${ledger.published.size} published, ${ledger.lost} lost, ${ledger.duplicates} twice, ${ledger.orderBreaks} out of order`,
    );
    expect(ledger.lost).toBe(0);
    await eventually('connected again', () => states.at(-1) === 'connected');
    await member.leave();
    await producer.close();
  });
});
