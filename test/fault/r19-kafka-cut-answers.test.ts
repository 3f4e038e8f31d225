import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';
import { FULL_SIZE, Ledger, Member, openStream, publishIds } from './kafka-load';

const CUTS = FULL_SIZE ? 200 : 20;
const PORTION = 50;

describeWith(['own-kafka'], "R19 sockets are cut amid a broker's answer", () => {
  let kafka: KafkaServer;
  beforeAll(async () => {
    kafka = await startKafka({ proxied: true });
  }, 120_000);
  afterAll(() => kafka?.stop());

  it(`${CUTS} cuts at random places of answers: 0 lost, and no cut is felt for long`, { timeout: 300_000 }, async () => {
    const topic = freshName('cut-answer');
    const ledger = new Ledger();
    const producer = openStream(kafka.url, { partitions: 3 });
    const member = await Member.join(openStream(kafka.url, { partitions: 3 }), freshName('group'), [topic], ledger, () => 0);
    let slowestMs = 0;
    for (let cut = 0; cut < CUTS; cut++) {
      const began = Date.now();
      kafka.nodes[0]!.proxy!.cutInAnswer(Math.random());
      await publishIds(producer, ledger, { topic, from: cut * PORTION, to: (cut + 1) * PORTION });
      await ledger.complete(60_000);
      slowestMs = Math.max(slowestMs, Date.now() - began);
      if (process.env.TRACE) console.info(cut, Date.now() - began);
    }
    console.info(
      `R19: ${CUTS} cuts amid answers: ${ledger.published.size} published, ${ledger.lost} lost, ${ledger.duplicates} twice, ` +
        `${ledger.orderBreaks} out of order, slowest portion ${slowestMs} ms`,
    );
    expect(ledger.lost).toBe(0);
    expect(ledger.orderBreaks).toBe(0);
    // A request that nobody answers would take kafkajs 30 s.
    expect(slowestMs).toBeLessThan(15_000);
    await member.leave();
    await producer.close();
  });
});
