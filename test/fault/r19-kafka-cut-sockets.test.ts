import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';
import { FULL_SIZE, Ledger, Member, openStream, publishIds } from './kafka-load';

const MESSAGES = FULL_SIZE ? 20_000 : 2_000;
const CUTS = FULL_SIZE ? 50 : 6;

describeWith(['own-kafka'], 'R19 sockets to Kafka are cut, acknowledgements with them', () => {
  let kafka: KafkaServer;
  beforeAll(async () => {
    kafka = await startKafka({ proxied: true });
  }, 120_000);
  afterAll(() => kafka?.stop());

  it(`${MESSAGES} messages over ${CUTS} cuts: 0 lost`, { timeout: 240_000 }, async () => {
    const topic = freshName('cut');
    const ledger = new Ledger();
    const producer = openStream(kafka.url, { partitions: 3 });
    const member = await Member.join(openStream(kafka.url, { partitions: 3 }), freshName('group'), [topic], ledger, () => 1);
    const portion = Math.ceil(MESSAGES / CUTS);
    for (let from = 0; from < MESSAGES; from += portion) {
      const publishing = publishIds(producer, ledger, { topic, from, to: from + portion, keys: 60 });
      // In the middle of a portion: some requests are on their way, some acknowledgements as well.
      while (ledger.published.size < from + portion / 2) await new Promise((resolve) => setImmediate(resolve));
      kafka.nodes[0]!.proxy!.cutAll();
      await publishing;
    }
    await ledger.complete(60_000);
    console.info(
      `R19: cuts: ${ledger.published.size} published, ${ledger.lost} lost, ${ledger.duplicates} twice, ${ledger.orderBreaks} out of order`,
    );
    expect(ledger.lost).toBe(0);
    expect(ledger.orderBreaks).toBe(0);
    await member.leave();
    await producer.close();
  });

  it('a broker that is silent for a while: PUBLISH_TIMEOUT in time, and all goes on afterwards', { timeout: 120_000 }, async () => {
    const topic = freshName('silent');
    const ledger = new Ledger();
    const producer = openStream(kafka.url, { partitions: 3, client: { requestTimeout: 3_000 } }, 2_000);
    const member = await Member.join(
      openStream(kafka.url, { partitions: 3, client: { requestTimeout: 3_000 } }),
      freshName('group'),
      [topic],
      ledger,
      () => 1,
    );
    await publishIds(producer, ledger, { topic, from: 0, to: 100 });
    kafka.nodes[0]!.proxy!.stall();
    const began = Date.now();
    await expect(producer.publish({ topic, key: 'k', value: Buffer.from('-1'), headers: [] })).rejects.toMatchObject({
      code: 'PUBLISH_TIMEOUT',
    });
    expect(Date.now() - began).toBeLessThan(3_000);
    kafka.nodes[0]!.proxy!.resume();
    let from = 100;
    // The request that hangs ends at kafkajs' own time; what is published until then may time out, and says so.
    while (ledger.published.size < 300) {
      await publishIds(producer, ledger, { topic, from, to: (from += 20) }).catch((error: { code?: string }) =>
        expect(error.code).toBe('PUBLISH_TIMEOUT'),
      );
    }
    await ledger.complete(60_000);
    expect(ledger.lost).toBe(0);
    await member.leave();
    await producer.close();
  });
});
