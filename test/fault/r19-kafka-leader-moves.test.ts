import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';
import { FULL_SIZE, Ledger, Member, openStream, publishIds } from './kafka-load';

const EVENTS = FULL_SIZE ? 20_000 : 3_000;
const MOVES = FULL_SIZE ? 10 : 3;

describeWith(['own-kafka'], 'R19 leaders move in a three-node Kafka', () => {
  let kafka: KafkaServer;
  beforeAll(async () => {
    kafka = await startKafka({ nodes: 3 });
  }, 120_000);
  afterAll(() => kafka?.stop());

  it(`loses none of ${EVENTS} events published over ${MOVES} moves`, { timeout: 300_000 }, async () => {
    const topic = freshName('moves');
    const ledger = new Ledger();
    const producer = openStream(kafka.url, { partitions: 6 });
    const member = await Member.join(openStream(kafka.url, { partitions: 6 }), freshName('group'), [topic], ledger, () => 0);
    let from = 0;
    let moving = true;
    const moves = (async () => {
      for (let move = 0; move < MOVES; move++) await kafka.moveLeaders(topic);
      moving = false;
    })();
    // In small portions until the last move is over, so that each happens under load.
    const portion = Math.max(50, Math.floor(EVENTS / 100));
    while (moving || from < EVENTS) {
      await publishIds(producer, ledger, { topic, from, to: from + portion });
      from += portion;
      if (from >= EVENTS && moving) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await moves;
    await ledger.complete(60_000);
    console.info(`R19: ${ledger.published.size} published, ${ledger.lost} lost, ${ledger.duplicates} twice`);
    expect(ledger.lost).toBe(0);
    await member.leave();
    await producer.close();
  });

  it('loses none when a node dies while events are published, and consumes on', { timeout: 180_000 }, async () => {
    const topic = freshName('node-death');
    const ledger = new Ledger();
    const producer = openStream(kafka.url, { partitions: 6 });
    const member = await Member.join(openStream(kafka.url, { partitions: 6 }), freshName('group'), [topic], ledger, () => 0);
    await publishIds(producer, ledger, { topic, from: 0, to: 500 });
    const died = kafka.nodes[0]!.kill();
    await publishIds(producer, ledger, { topic, from: 500, to: 1_500 });
    await died;
    await ledger.complete(60_000);
    await kafka.nodes[0]!.start();
    await publishIds(producer, ledger, { topic, from: 1_500, to: 2_000 });
    await ledger.complete(60_000);
    console.info(`R19: node death: ${ledger.published.size} published, ${ledger.lost} lost, ${ledger.duplicates} twice`);
    expect(ledger.lost).toBe(0);
    await member.leave();
    await producer.close();
  });
});
