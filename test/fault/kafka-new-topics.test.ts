import { expect, it } from 'vitest';
import { freshName } from '../support/fresh-name';
import { report } from '../support/report';
import { describeWith } from '../support/servers';
import { openStream } from './kafka-load';
import { rawKafka } from './raw-kafka';

const TOPICS = 40;
const PARTITIONS = 6;
const MESSAGES = 60;

describeWith(['kafka'], 'topics that are created for what is published to them', ({ kafkaUrl }) => {
  it(
    `the first ${MESSAGES} messages of ${TOPICS} topics with ${PARTITIONS} partitions are written once`,
    { timeout: 120_000 },
    async () => {
      const topics = Array.from({ length: TOPICS }, () => freshName('new'));
      const stream = openStream(kafkaUrl, { partitions: PARTITIONS });
      const send = (topic: string, id: number) =>
        stream.publish({ topic, key: `key ${id}`, value: Buffer.from(String(id)), headers: [], createTopic: true });
      // Half a crowd at a time: creating many at once is when a broker is slow to take over their partitions.
      for (const half of [topics.slice(0, TOPICS / 2), topics.slice(TOPICS / 2)]) {
        await Promise.all(half.flatMap((topic) => Array.from({ length: MESSAGES }, (_each, id) => send(topic, id))));
      }
      const admin = rawKafka(kafkaUrl).admin();
      await admin.connect();
      let [written, topicsWithRepeats] = [0, 0];
      for (const topic of topics) {
        const ends = await admin.fetchTopicOffsets(topic);
        const here = ends.reduce((sum, { high }) => sum + Number(high), 0);
        written += here;
        if (here > MESSAGES) topicsWithRepeats += 1;
      }
      await admin.disconnect();
      await stream.close();
      report('new topics', { topics: TOPICS, published: TOPICS * MESSAGES, written, topicsWithRepeats });
      expect([written, topicsWithRepeats]).toEqual([TOPICS * MESSAGES, 0]);
    },
  );
});
