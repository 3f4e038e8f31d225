import { expect, it } from 'vitest';
import { freshName } from '../support/fresh-name';
import { describeWith } from '../support/servers';
import { FULL_SIZE, Ledger, Member, openStream, publishIds } from './kafka-load';

const MESSAGES = FULL_SIZE ? 10_000 : 1_000;
const ROUNDS = FULL_SIZE ? 8 : 3;
const ROUND_MS = FULL_SIZE ? 5_000 : 2_500;

describeWith(['kafka'], 'R4 members join and leave under keyed load', ({ kafkaUrl }) => {
  it(`${MESSAGES} messages: 0 lost, at most 1 % twice, 0 breaks of key order`, { timeout: 240_000 }, async () => {
    const topic = freshName('keyed');
    const foreign = freshName('foreign');
    const group = freshName('group');
    const ledger = new Ledger();
    const open = () => openStream(kafkaUrl, { partitions: 6 });
    const join = (topics: readonly string[]) => Member.join(open(), group, topics, ledger, () => 1 + Math.random() * 4);
    const producer = open();
    const members = [await join([topic])];
    let loading = true;
    const load = (async () => {
      const portion = Math.ceil(MESSAGES / (ROUNDS * 20));
      for (let from = 0; from < MESSAGES; from += portion) {
        await publishIds(producer, ledger, { topic, from, to: Math.min(from + portion, MESSAGES), keys: 40 });
        await new Promise((resolve) => setTimeout(resolve, ROUND_MS / 20));
      }
      loading = false;
    })();
    for (let round = 0; loading; round++) {
      // One of them with other patterns as well.
      if (round % 2 === 0) members.push(await join(round % 4 === 0 ? [topic, foreign] : [topic]));
      else await members.shift()!.leave();
      await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
    }
    await load;
    await ledger.complete(60_000);
    console.info(
      `R4: ${ledger.published.size} published, ${ledger.lost} lost, ${ledger.duplicates} twice, ${ledger.orderBreaks} out of order`,
    );
    expect(ledger.lost).toBe(0);
    expect(ledger.duplicates).toBeLessThanOrEqual(MESSAGES / 100);
    expect(ledger.orderBreaks).toBe(0);
    await Promise.all(members.map((member) => member.leave()));
    await producer.close();
  });
});
