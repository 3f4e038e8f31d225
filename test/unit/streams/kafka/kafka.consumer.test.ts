import type { Consumer, Kafka } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { StreambackConnectionError } from '../../../../lib/common/errors';
import { KafkaConsumer } from '../../../../lib/streams/kafka/kafka.consumer';
import { GroupMembership } from '../../../../lib/streams/kafka/kafka.membership';
import type { KafkaTopics } from '../../../../lib/streams/kafka/kafka.topics';
import { RecordingLogger } from '../../../support/recording-logger';

/** kafkajs' consumer as far as this needs it: subscribing fails so often, then joining succeeds. */
function consumerWith(failures: Error[], ensure: () => Promise<void> = () => Promise.resolve()) {
  const logger = new RecordingLogger();
  let built = 0;
  const kafka = {
    consumer: () => {
      built += 1;
      const listeners = new Map<string, (event: unknown) => void>();
      const consumer: Partial<Consumer> = {
        events: { CRASH: 'crash', STOP: 'stop', GROUP_JOIN: 'join' } as unknown as Consumer['events'],
        on: ((name: string, listener: (event: unknown) => void) => void listeners.set(name, listener)) as unknown as Consumer['on'],
        connect: () => Promise.resolve(),
        disconnect: () => Promise.resolve(),
        subscribe: () => {
          const failure = failures.shift();
          return failure ? Promise.reject(failure) : Promise.resolve();
        },
        run: () => Promise.resolve(listeners.get('join')!({ payload: { memberAssignment: {}, groupProtocol: 'streamback' } })),
      };
      return consumer;
    },
  } as unknown as Kafka;
  const membership = new GroupMembership('g', {
    beforeJoin: () => Promise.resolve(),
    claims: () => ({ owned: {}, busy: {} }),
    beforeFetch: () => Promise.resolve(),
  });
  const consumer = new KafkaConsumer({
    kafka,
    group: 'g',
    topics: ['t'],
    admin: { ensure } as unknown as KafkaTopics,
    membership,
    options: {},
    address: 'host:9092',
    logger,
    onBatch: () => true,
    onJoin: () => {},
    onStatus: () => {},
  });
  return { consumer, logger, built: () => built };
}

const protocolError = (type: string): Error => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type });

describe('KafkaConsumer.start', () => {
  it('waits for a broker that has not heard of a topic yet which another one has', async () => {
    const { consumer, built, logger } = consumerWith([
      protocolError('UNKNOWN_TOPIC_OR_PARTITION'),
      protocolError('UNKNOWN_TOPIC_OR_PARTITION'),
    ]);
    await consumer.start();
    expect(built()).toBe(3);
    expect(logger.having('trying again')).toEqual([]);
    await consumer.close();
  });

  it('rejects where the topic is missing, and where it may not be read', async () => {
    const missing = new StreambackConnectionError('UNKNOWN_TOPIC', 'missing');
    await expect(consumerWith([], () => Promise.reject(missing)).consumer.start()).rejects.toBe(missing);
    await expect(consumerWith([protocolError('TOPIC_AUTHORIZATION_FAILED')]).consumer.start()).rejects.toMatchObject({
      code: 'NOT_AUTHORIZED',
    });
  });
});
