import type { TestProject } from 'vitest/node';
import { composeMissing, startComposeServer } from './compose';
import { CANARY_PASSWORD } from './canary';
import { startKafka } from './kafka';
import { kafkaMissing } from './kafka-jars';
import { findPython } from './python';
import { redisMissing, startRedis } from './redis';
import './provided-servers';

interface Found {
  /** Empty where there is none. */
  readonly url: string;
  /** Why there is none. */
  readonly skip: string;
  stop?(): Promise<void>;
}

/**
 * Runs once before the broker suites: one Kafka and one Redis for all of them. In this order: the environment's, one that
 * is installed, one of Docker Compose. Suites that kill or cut servers start their own and need an installed one. Python
 * streamback is installed once where there is a Python.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const kafkaReason = kafkaMissing();
  const redisReason = redisMissing();
  const [kafka, redis, python] = await Promise.all([
    find('kafka', process.env.STREAMBACK_TEST_KAFKA_URL, kafkaReason, startKafka),
    find('redis', process.env.STREAMBACK_TEST_REDIS_URL, redisReason, async () => {
      const server = await startRedis({ password: CANARY_PASSWORD });
      return { url: server.url, stop: () => server.close() };
    }),
    findPython(),
  ]);
  project.provide('kafkaUrl', kafka.url);
  project.provide('redisUrl', redis.url);
  project.provide('pythonPath', python.path);
  project.provide('missingServers', {
    kafka: kafka.skip,
    redis: redis.skip,
    'own-kafka': kafkaReason || (kafka.skip && `it did not start: ${kafka.skip}`),
    'own-redis': redisReason,
    python: python.skip,
  });
  return async () => {
    await Promise.all([kafka.stop?.(), redis.stop?.()]);
  };
}

async function find(
  service: 'kafka' | 'redis',
  fromEnvironment: string | undefined,
  notInstalled: string,
  start: () => Promise<{ readonly url: string; stop(): Promise<void> }>,
): Promise<Found> {
  const variable = `STREAMBACK_TEST_${service.toUpperCase()}_URL`;
  if (fromEnvironment) return { url: fromEnvironment, skip: '' };
  const reasons = [`${variable} is not set`];
  const ways: [missing: string, start: () => Promise<{ readonly url: string; stop(): Promise<void> }>][] = [
    [notInstalled, start],
    [composeMissing(), () => startComposeServer(service)],
  ];
  for (const [missing, startIt] of ways) {
    if (missing) {
      reasons.push(missing);
      continue;
    }
    try {
      return { ...(await startIt()), skip: '' };
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { url: '', skip: reasons.join('; ') };
}
