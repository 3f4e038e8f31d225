import { Kafka, logLevel } from 'kafkajs';
import { freshName } from '../test/support/fresh-name';
import { startKafka } from '../test/support/kafka';
import { startRedis } from '../test/support/redis';
import type { Venue } from './peer';

export interface Servers {
  /** A new venue, with its topics. */
  venue(): Promise<Venue>;
  stop(): Promise<void>;
}

/** The servers that the environment names, or a Kafka and a Redis of one's own. */
export async function startServers(): Promise<Servers> {
  const { STREAMBACK_TEST_KAFKA_URL: kafkaUrl, STREAMBACK_TEST_REDIS_URL: redisUrl } = process.env;
  const [kafka, redis] = await Promise.all([kafkaUrl ? undefined : startKafka(), redisUrl ? undefined : startRedis()]);
  const brokers = kafka?.brokers ?? kafkaUrl!.replace('kafka://', '').split(',');
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  return {
    async venue() {
      const topics = { events: freshName('bench.events'), calls: freshName('bench.calls'), streams: freshName('bench.streams') };
      // Nest's Kafka transport answers on topics of its own.
      const partitions = {
        [topics.events]: 4,
        [topics.calls]: 4,
        [topics.streams]: 1,
        [`${topics.calls}.reply`]: 4,
        [`${topics.streams}.reply`]: 1,
      };
      await admin.createTopics({
        waitForLeaders: true,
        topics: Object.entries(partitions).map(([topic, numPartitions]) => ({ topic, numPartitions })),
      });
      return { brokers, redisUrl: redis?.url ?? redisUrl!, topics, group: freshName('bench') };
    },
    async stop() {
      await admin.disconnect();
      await Promise.all([kafka?.stop(), redis?.close()]);
    },
  };
}
