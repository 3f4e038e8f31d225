import type { Consumer, Kafka } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StreambackConnectionError } from '../../../../lib/common/errors';
import { consumerConfig, KafkaConsumer } from '../../../../lib/streams/kafka/kafka.consumer';
import { GroupMembership } from '../../../../lib/streams/kafka/kafka.membership';
import type { KafkaTopics } from '../../../../lib/streams/kafka/kafka.topics';
import { RecordingLogger } from '../../../support/recording-logger';

const EVENTS = {
  CRASH: 'crash',
  STOP: 'stop',
  GROUP_JOIN: 'join',
  FETCH_START: 'fetch-start',
  FETCH: 'fetch',
  HEARTBEAT: 'heartbeat',
  REQUEST: 'request',
};

type Emit = (name: string, payload?: object) => void;

/** kafkajs' consumer as far as this needs it: subscribing fails so often, then joining succeeds. */
function consumerWith(
  failures: Error[],
  ensure: () => Promise<void> = () => Promise.resolve(),
  run: (emit: Emit, built: number) => Promise<void> = (emit) => Promise.resolve(emit('join')),
) {
  const logger = new RecordingLogger();
  let built = 0;
  let joins = 0;
  const kafka = {
    consumer: () => {
      built += 1;
      const listeners = new Map<string, ((event: unknown) => void)[]>();
      const emit: Emit = (name, payload = {}) =>
        listeners
          .get(name)
          ?.forEach((listener) => listener({ payload: { memberAssignment: {}, groupProtocol: 'streamback', ...payload } }));
      const consumer: Partial<Consumer> = {
        events: EVENTS as unknown as Consumer['events'],
        on: ((name: string, listener: (event: unknown) => void) =>
          void listeners.set(name, [...(listeners.get(name) ?? []), listener])) as unknown as Consumer['on'],
        connect: () => Promise.resolve(),
        disconnect: () => Promise.resolve(emit('stop')),
        subscribe: () => {
          const failure = failures.shift();
          return failure ? Promise.reject(failure) : Promise.resolve();
        },
        run: () => run(emit, built),
      };
      return consumer;
    },
  } as unknown as Kafka;
  const membership = new GroupMembership('g', {
    beforeJoin: () => Promise.resolve(),
    claims: () => ({ owned: {}, busy: {} }),
    beforeFetch: () => Promise.resolve(),
    fetch: (send, request) => send(request),
  });
  const consumer = new KafkaConsumer({
    kafka,
    group: 'g',
    topics: ['t'],
    admin: { ensure, isMissing: () => Promise.resolve(false) } as unknown as KafkaTopics,
    membership,
    options: {},
    address: 'host:9092',
    logger,
    onTopicGone: () => {},
    onBatch: () => true,
    onJoin: () => void (joins += 1),
    onStatus: () => {},
  });
  return { consumer, logger, built: () => built, joins: () => joins, membership };
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

describe('a kafkajs consumer that stands still', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const never = () => new Promise<never>(() => undefined);
  /** Session and rebalance timeout, and two fetches of 200 ms. */
  const LIMIT_MS = 90_400;

  it('is built anew when it never joins, and that is said once', async () => {
    const { consumer, built, joins, logger } = consumerWith([], undefined, (emit, nth) =>
      nth < 4 ? never() : Promise.resolve(emit('join')),
    );
    const started = consumer.start();
    await vi.advanceTimersByTimeAsync(LIMIT_MS);
    expect(built()).toBe(1);
    await vi.advanceTimersByTimeAsync(LIMIT_MS / 5);
    expect(built()).toBe(2);
    expect(logger.having('was silent for 90400 ms')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2.3 * LIMIT_MS);
    await started;
    expect([built(), joins()]).toEqual([4, 1]);
    expect(logger.having('trying again').filter((line) => line.startsWith('error'))).toHaveLength(1);
    expect(logger.having('goes on')).toHaveLength(1);
    await consumer.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is said to wait for a member that was killed where joining takes long, and how that is avoided', async () => {
    const { consumer, logger } = consumerWith([], undefined, async (emit) => {
      await new Promise((resolve) => setTimeout(resolve, 20_000));
      emit('join');
    });
    const started = consumer.start();
    await vi.advanceTimersByTimeAsync(4_000);
    expect(logger.having('takes long')).toEqual([]);
    await vi.advanceTimersByTimeAsync(16_000);
    await started;
    expect(logger.having('takes long')).toEqual([expect.stringMatching(/group 'g'.*30000 ms.*enableShutdownHooks/)]);
    await consumer.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is built anew when it falls silent, also where it cannot be disconnected', async () => {
    let first: Emit | undefined;
    const { consumer, built } = consumerWith([], undefined, (emit) => {
      first ??= emit;
      return Promise.resolve(emit('join'));
    });
    await consumer.start();
    consumer.unwrap()!.disconnect = never;
    for (const sign of ['heartbeat', 'fetch', 'join', 'heartbeat']) {
      await vi.advanceTimersByTimeAsync(LIMIT_MS - 1_000);
      first!(sign, { nodeId: '1' });
    }
    first!('request', { apiName: 'SyncGroup' });
    await vi.advanceTimersByTimeAsync(LIMIT_MS - 1_000);
    first!('request', { apiName: 'OffsetCommit' });
    expect(built()).toBe(1);
    await vi.advanceTimersByTimeAsync(LIMIT_MS / 2);
    expect(built()).toBe(2);
    await consumer.close();
  });

  it('is built anew when one broker is never heard of again, and not for one that has left', async () => {
    let emit!: Emit;
    const { consumer, built, membership } = consumerWith([], undefined, (each) => {
      emit = each;
      return Promise.resolve(each('join'));
    });
    let nodes = ['1'];
    membership.nodes = () => nodes;
    await consumer.start();
    const beat = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        await vi.advanceTimersByTimeAsync(LIMIT_MS / 10);
        emit('fetch-start', { nodeId: '1' });
        emit('fetch', { nodeId: '1' });
        emit('heartbeat');
        if (nodes.includes('2')) emit('fetch-start', { nodeId: '2' });
      }
    };
    emit('fetch-start', { nodeId: '2' });
    await beat();
    expect(built()).toBe(1);
    nodes = ['1', '2'];
    await beat();
    expect(built()).toBe(2);
    await consumer.close();
  });
});

describe('consumerConfig', () => {
  it('takes an option that is undefined as not given', () => {
    const { membership } = consumerWith([]);
    const undefinedOptions = {
      maxWaitTimeInMs: undefined,
      heartbeatInterval: undefined,
      sessionTimeout: undefined,
      retry: { retries: undefined },
    };
    const config = consumerConfig('g', membership, { consumer: undefinedOptions as never });
    expect(config).toMatchObject({ maxWaitTimeInMs: 200, heartbeatInterval: 1_000, sessionTimeout: 30_000, retry: { retries: 8 } });
  });
});
