import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';
import { FULL_SIZE, Ledger, Member, openStream, publishIds } from './kafka-load';

const CUTS = FULL_SIZE ? 200 : 20;
const PORTION = 50;
const CHAOS_MS = FULL_SIZE ? 120_000 : 10_000;

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

  it(
    `cuts at random moments of joins, fetches, heartbeats and commits for ${CHAOS_MS} ms: 0 lost`,
    { timeout: CHAOS_MS + 120_000 },
    async () => {
      const topic = freshName('chaos');
      const group = freshName('group');
      const ledger = new Ledger();
      const options = {
        partitions: 4,
        commitIntervalMs: 50,
        consumer: { sessionTimeout: 6_000, heartbeatInterval: 200, rebalanceTimeout: 6_000 },
      };
      const producer = openStream(kafka.url, options);
      const join = () => Member.join(openStream(kafka.url, options), group, [topic], ledger, () => 1);
      const members = [await join()];
      const proxy = kafka.nodes[0]!.proxy!;
      const end = Date.now() + CHAOS_MS;
      const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
      let cuts = 0;
      const cutting = (async () => {
        for (; Date.now() < end; cuts++) {
          if (Math.random() < 0.5) proxy.cutAll();
          else proxy.cutInAnswer(Math.random());
          await pause(Math.random() * 400);
        }
        proxy.resume();
      })();
      const moving = (async () => {
        while (Date.now() < end) {
          members.push(await join());
          await pause(Math.random() * 2_000);
          await members.shift()!.leave();
        }
      })();
      let from = 0;
      while (Date.now() < end) {
        await publishIds(producer, ledger, { topic, from, to: (from += 20) });
        await pause(10);
      }
      await Promise.all([cutting, moving]);
      const calm = Date.now();
      await publishIds(producer, ledger, { topic, from, to: from + 100 });
      await ledger.complete(60_000);
      const tookMs = Date.now() - calm;
      console.info(
        `R19: ${cuts} cuts at random moments: ${ledger.published.size} published, ${ledger.lost} lost, ${ledger.duplicates} twice, ` +
          `all handled ${tookMs} ms after the last`,
      );
      expect(ledger.lost).toBe(0);
      // A member of which the group has lost sight is waited for as long as its session.
      expect(tookMs).toBeLessThan(25_000);
      await Promise.all(members.map((member) => member.leave()));
      await producer.close();
    },
  );
});
