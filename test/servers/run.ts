import { startKafka } from '../support/kafka';
import { kafkaMissing } from '../support/kafka-jars';
import { redisMissing, startRedis } from '../support/redis';

/** Kafka and Redis for apps of one's own, where there is no Docker: as the tests start them, until a signal ends both with what they hold. */
async function main(): Promise<void> {
  const missing = [kafkaMissing(), redisMissing()].filter((reason) => reason !== '');
  if (missing.length > 0) {
    for (const reason of missing) console.error(reason);
    console.error('Install what is missing, or start both by Docker: docker compose up -d --wait');
    process.exitCode = 1;
    return;
  }
  console.log('Starting Kafka and Redis ...');
  // What the tests do without, as none of them lives long enough.
  const config = { 'log.cleaner.enable': true };
  const [kafka, redis] = await Promise.all([startKafka({ config }), startRedis()]);
  console.log(`STREAMBACK_STREAMS='main=${kafka.url}&feedback=${redis.url}'`);
  console.log('Ctrl-C ends both, and what they hold is gone.');
  // Ctrl-C may come twice: npm hands it on.
  await new Promise((resolve) => ['SIGINT', 'SIGTERM'].forEach((signal) => process.on(signal, resolve)));
  await Promise.all([kafka.stop(), redis.close()]);
  console.log('Both have ended.');
}

void main();
