import { Kafka, logLevel } from 'kafkajs';
import { createTopics } from '../test/support/create-topics';
import { freePort } from '../test/support/free-port';
import { freshName } from '../test/support/fresh-name';
import { startKafka } from '../test/support/kafka';
import { startRedis } from '../test/support/redis';
import { cpuMicrosOf } from './cpu-time';
import { natsMissing, startNats } from './nats';
import type { Topics, Venue } from './peer';

export type ServerName = 'kafka' | 'redis' | 'nats';

/** A place to meet that is given back after a round. */
export interface RoundVenue {
  readonly venue: Venue;
  close(): Promise<void>;
}

export interface Servers {
  /** For each server that cannot be had the reason. */
  readonly missing: Partial<Readonly<Record<ServerName, string>>>;
  /** A new venue, with its topics. */
  open(): Promise<RoundVenue>;
  /** CPU of all servers since their start, in us; NaN where they are not the bench's own. */
  cpuMicros(): number;
  stop(): Promise<void>;
}

/** The servers that the environment names, or some of one's own; those alone that are needed. */
export async function startServers(needed: ReadonlySet<ServerName>): Promise<Servers> {
  const { STREAMBACK_TEST_KAFKA_URL: kafkaUrl = '', STREAMBACK_TEST_REDIS_URL: redisUrl = '' } = process.env;
  const missingNats = needed.has('nats') ? natsMissing() : '';
  const [kafka, redis, nats] = await Promise.all([
    needed.has('kafka') && !kafkaUrl ? startKafka() : undefined,
    needed.has('redis') && !redisUrl ? startRedis() : undefined,
    needed.has('nats') && !missingNats ? startNats() : undefined,
  ]);
  const brokers = kafka?.brokers ?? kafkaUrl.replace('kafka://', '').split(',');
  const topicAdmin = needed.has('kafka') ? await startTopicAdmin(brokers) : undefined;
  const own = [...(kafka?.nodes ?? []), redis, nats].filter((server) => server !== undefined);
  return {
    missing: missingNats ? { nats: missingNats } : {},
    async open() {
      const topics = { events: freshName('bench.events'), calls: freshName('bench.calls'), streams: freshName('bench.streams') };
      await topicAdmin?.create(topics);
      const venue = {
        brokers,
        redisUrl: redis?.url ?? redisUrl,
        natsUrl: nats?.url ?? '',
        port: await freePort(),
        topics,
        group: freshName('bench'),
      };
      return { venue, close: async () => topicAdmin?.remove(topics) };
    },
    cpuMicros: () => cpuMicrosOf(own.map(({ pid }) => pid)),
    async stop() {
      await topicAdmin?.stop();
      await Promise.all([kafka?.stop(), redis?.close(), nats?.close()]);
    },
  };
}

interface TopicAdmin {
  create(topics: Topics): Promise<void>;
  remove(topics: Topics): Promise<void>;
  stop(): Promise<void>;
}

/** Makes the topics of a round, and removes them with their data. */
async function startTopicAdmin(brokers: readonly string[]): Promise<TopicAdmin> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  // Nest's Kafka transport answers on topics of its own.
  const partitionsOf = ({ events, calls, streams }: Topics): Record<string, number> => ({
    [events]: 4,
    [calls]: 4,
    [streams]: 1,
    [`${calls}.reply`]: 4,
    [`${streams}.reply`]: 1,
  });
  return {
    async create(topics) {
      const wanted = Object.entries(partitionsOf(topics)).map(([topic, numPartitions]) => ({ topic, numPartitions }));
      await createTopics(admin, ...wanted);
    },
    remove: (topics) => admin.deleteTopics({ topics: Object.keys(partitionsOf(topics)) }),
    stop: () => admin.disconnect(),
  };
}
