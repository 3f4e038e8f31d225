import type { Consumer, ConsumerConfig, EachBatchPayload, Kafka } from 'kafkajs';
import { backoffDelayMs } from '../../common/backoff';
import { StreambackConnectionError } from '../../common/errors';
import type { StreambackLogger } from '../../common/logger';
import { withoutUndefined } from '../../common/option-rules';
import { Delay, within } from '../../common/waiting';
import type { StreamStatus } from '../main-stream';
import { describeFailure, isPassing, toConnectionError } from './kafka.errors';
import type { GroupMembership } from './kafka.membership';
import type { StreambackKafkaOptions } from './kafka.options';
import type { KafkaTopics } from './kafka.topics';
import { TopicWatch } from './kafka.topic-watch';
import { KafkaWatchdog } from './kafka.watchdog';

const LOUD_AT_ATTEMPT = 4;
const BACKOFF = { delayMs: 200, factor: 2, maxDelayMs: 2_000, jitter: 0.2 };
/** Tries within kafkajs before it gives up and is built anew: a few seconds' worth. */
const RETRY = { retries: 8, initialRetryTime: 100, maxRetryTime: 1_000 };
/** Batches of one fetch that are taken at once: taking is quick, but kafkajs awaits a heartbeat after each. */
const CONCURRENT_BATCHES = 32;
/** Each step of closing waits no longer for a broker that does not answer, in ms. */
const DISCONNECT_TIMEOUT_MS = 2_000;
/** Why a session ended: nothing is wrong, a topic that could not be read can be. */
const TOPIC_BACK = Symbol('a topic is back');
/** A group that was empty is joined in less, in ms: Kafka itself waits 3 s for further members. */
const SLOW_JOIN_MS = 5_000;
const DEFAULT_SESSION_TIMEOUT_MS = 30_000;
export const DEFAULT_REBALANCE_TIMEOUT_MS = 60_000;

export interface KafkaConsumerOptions {
  readonly kafka: Kafka;
  readonly group: string;
  readonly topics: readonly string[];
  readonly admin: KafkaTopics;
  readonly membership: GroupMembership;
  readonly options: StreambackKafkaOptions;
  readonly address: string;
  readonly logger: StreambackLogger;
  readonly onTopicGone: (topic: string) => void;
  /** Must not throw. Returns whether the batch was taken. */
  readonly onBatch: (payload: EachBatchPayload) => boolean;
  readonly onJoin: (assignment: Readonly<Record<string, readonly number[]>>, protocol: string) => void;
  readonly onStatus: (status: StreamStatus) => void;
}

/** What kafkajs runs with: its consumer options under ours. */
export function consumerConfig(group: string, membership: GroupMembership, options: StreambackKafkaOptions): ConsumerConfig {
  const { sessionTimeout, retry, ...rest } = { sessionTimeout: DEFAULT_SESSION_TIMEOUT_MS, ...withoutUndefined(options.consumer ?? {}) };
  return {
    maxWaitTimeInMs: 200,
    // A member learns of a rebalance by its heartbeat: the others wait for it.
    heartbeatInterval: Math.min(1_000, Math.floor(sessionTimeout / 3)),
    sessionTimeout,
    ...rest,
    groupId: group,
    partitionAssigners: membership.assigners(),
    allowAutoTopicCreation: false,
    // kafkajs restarts after some crashes and stays down after others: we do it after all.
    retry: { ...RETRY, ...withoutUndefined(retry ?? {}), restartOnFailure: () => Promise.resolve(false) },
  };
}

/** A join may be held back, and then wait for the others; a fetch may be held back, and then wait for messages. */
function silenceLimitMs({ sessionTimeout, rebalanceTimeout, maxWaitTimeInMs }: ConsumerConfig): number {
  return sessionTimeout! + (rebalanceTimeout ?? DEFAULT_REBALANCE_TIMEOUT_MS) + 2 * maxWaitTimeInMs!;
}

/** Keeps a kafkajs consumer running: builds it, and builds it anew when it has crashed, with a backoff. */
export class KafkaConsumer {
  private consumer: Consumer | undefined;
  private closed = false;
  private loop: Promise<void> | undefined;
  private readonly restartDelay = new Delay();
  private attempt = 0;
  /** The outage has been logged: loud once, quiet after. */
  private said = false;
  private slowJoin: NodeJS.Timeout | undefined;
  private joinedOnce = false;

  private readonly watch: TopicWatch;

  constructor(private readonly settings: KafkaConsumerOptions) {
    const { topics, admin, logger, onTopicGone } = settings;
    this.watch = new TopicWatch({ topics, admin, logger, onGone: onTopicGone });
  }

  /**
   * Resolves when the group is joined, however long brokers are away.
   * @throws StreambackConnectionError AUTHENTICATION_FAILED, NOT_AUTHORIZED, UNKNOWN_TOPIC, CLOSED
   */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.loop = this.run(resolve, reject);
    });
  }

  setPaused(topic: string, partition: number, paused: boolean): void {
    this.control((consumer) =>
      paused ? consumer.pause([{ topic, partitions: [partition] }]) : consumer.resume([{ topic, partitions: [partition] }]),
    );
  }

  seek(topic: string, partition: number, offset: number): void {
    this.control((consumer) => consumer.seek({ topic, partition, offset: String(offset) }));
  }

  /** Leaves the group and disconnects. */
  async close(): Promise<void> {
    this.closed = true;
    this.restartDelay.end();
    await this.settings.membership.abandonJoin(DISCONNECT_TIMEOUT_MS);
    await within(this.consumer?.disconnect(), DISCONNECT_TIMEOUT_MS);
    if (this.consumer) await within(this.settings.membership.disconnect(), DISCONNECT_TIMEOUT_MS);
    await within(this.loop, DISCONNECT_TIMEOUT_MS);
  }

  unwrap(): Consumer | undefined {
    return this.consumer;
  }

  private async run(started: () => void, failed: (error: Error) => void): Promise<void> {
    while (!this.closed) {
      const error = await this.session(started).catch((reason: unknown) => reason);
      if (this.closed) break;
      if (error === TOPIC_BACK) continue;
      const { logger, address, group, onStatus } = this.settings;
      const failure = toConnectionError(error, `Consuming from Kafka at ${address} as group '${group}'`);
      // A broker that has not heard of a topic yet that another one has: `ensure` has seen it, and says so itself where it is missing.
      const hearsOfIt = failure.code === 'UNKNOWN_TOPIC' && !(error instanceof StreambackConnectionError);
      if (!this.joinedOnce && failure.code !== 'UNREACHABLE' && !hearsOfIt) {
        this.closed = true;
        failed(failure);
        return;
      }
      this.attempt += 1;
      // A coordinator that is starting or moving says so for a moment: worth a line only when it goes on.
      if (this.said || (isPassing(error) && this.attempt < LOUD_AT_ATTEMPT)) logger.debug(failure.message);
      else {
        this.said = true;
        logger.error(`${failure.message}; trying again until it works`);
      }
      onStatus('reconnecting');
      await this.restartDelay.wait(backoffDelayMs(this.attempt, BACKOFF));
    }
    failed(new StreambackConnectionError('CLOSED', 'The subscription was closed before it had joined its group'));
  }

  /** Runs one kafkajs consumer until it crashes, or stands still; resolves or rejects with why. */
  private async session(started: () => void): Promise<unknown> {
    const { kafka, group, membership, options } = this.settings;
    const topics = await this.topics();
    if (this.closed) return undefined;
    const config = consumerConfig(group, membership, options);
    const consumer = kafka.consumer(config);
    this.consumer = consumer;
    const watchdog = new KafkaWatchdog({ consumer, nodes: () => membership.nodes(), limitMs: silenceLimitMs(config) });
    const crashed = new Promise<unknown>((resolve) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => resolve(payload.error));
      consumer.on(consumer.events.STOP, () => this.closed && resolve(undefined));
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (this.closed || this.consumer !== consumer) return;
      this.onJoin(payload.memberAssignment, payload.groupProtocol);
      started();
    });
    const back = this.watch.back().then(() => TOPIC_BACK);
    try {
      return await Promise.race([this.consume(consumer, topics).then(() => crashed), crashed, watchdog.silence, back]);
    } finally {
      clearTimeout(this.slowJoin);
      watchdog.stop();
      this.watch.stop();
      // What stands still may not be able to end either. After a crash this is over at once.
      if (!this.closed) await within(consumer.disconnect(), DISCONNECT_TIMEOUT_MS);
    }
  }

  /** At the start all must be there: what is missing then is a mistake. */
  private async topics(): Promise<readonly string[]> {
    const { topics, admin } = this.settings;
    if (this.joinedOnce) return this.watch.readable();
    await admin.ensure(topics);
    return topics;
  }

  private async consume(consumer: Consumer, topics: readonly string[]): Promise<void> {
    const { options, onBatch } = this.settings;
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: options.fromBeginning !== false });
    this.watchJoining();
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: CONCURRENT_BATCHES,
      eachBatch: (payload) => {
        if (this.consumer === consumer && !payload.isStale() && onBatch(payload)) payload.resolveOffset(payload.batch.lastOffset());
        return Promise.resolve();
      },
    });
  }

  /** A member that was killed is waited for, in silence. */
  private watchJoining(): void {
    const { group, logger, options } = this.settings;
    const { sessionTimeout = DEFAULT_SESSION_TIMEOUT_MS } = withoutUndefined(options.consumer ?? {});
    clearTimeout(this.slowJoin);
    if (this.joinedOnce || this.closed) return;
    const line =
      `Joining group '${group}' takes long: a member that has ended without leaving it is waited for, up to ${sessionTimeout} ms. ` +
      'With app.enableShutdownHooks() a process leaves its group when it is told to end';
    this.slowJoin = setTimeout(() => logger.log(line), SLOW_JOIN_MS).unref();
  }

  private onJoin(assignment: Readonly<Record<string, readonly number[]>>, protocol: string): void {
    const { logger, group, onStatus, onJoin } = this.settings;
    if (this.said) logger.log(`Consuming as group '${group}' goes on`);
    this.said = false;
    this.attempt = 0;
    this.joinedOnce = true;
    clearTimeout(this.slowJoin);
    onStatus('connected');
    onJoin(assignment, protocol);
  }

  /** While kafkajs is down there is nothing to tell: what is held is said again after the next join. */
  private control(task: (consumer: Consumer) => void): void {
    try {
      if (this.consumer) task(this.consumer);
    } catch (error) {
      this.settings.logger.debug(`kafkajs is not running: ${describeFailure(error)}`);
    }
  }
}
