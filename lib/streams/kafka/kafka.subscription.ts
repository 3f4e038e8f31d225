import { StreambackAbortError } from '../../common/errors';
import type { Kafka } from 'kafkajs';
import type { StreambackLogger } from '../../common/logger';
import { Delay } from '../../common/waiting';
import type { MainStreamSubscribeOptions, MainStreamSubscription, MemberHeartbeat, StreamStatus } from '../main-stream';
import { KafkaCommitter } from './kafka.committer';
import { consumerConfig, DEFAULT_REBALANCE_TIMEOUT_MS, KafkaConsumer } from './kafka.consumer';
import { KafkaDispatcher } from './kafka.dispatcher';
import { GroupMembership } from './kafka.membership';
import type { StreambackKafkaOptions } from './kafka.options';
import { KafkaOwnership } from './kafka.ownership';
import type { KafkaPartition } from './kafka.partition';
import { fetchApart, KafkaRefusals } from './kafka.refusals';
import type { KafkaTopics } from './kafka.topics';

const DEFAULT_COMMIT_INTERVAL_MS = 1_000;
const DEFAULT_MAX_UNCOMMITTED = 10_000;
/** While a partition is paused, a fetch of the others waits for this share of the pause until then, and at least so long, in ms. */
const FETCH_WAIT_SHARE = 0.5;
const MIN_FETCH_WAIT_MS = 5;

export interface KafkaSubscriptionOptions {
  /** A client of its own (see `createKafka`). */
  readonly kafka: Kafka;
  readonly admin: KafkaTopics;
  readonly options: StreambackKafkaOptions;
  readonly subscribe: MainStreamSubscribeOptions;
  readonly address: string;
  readonly logger: StreambackLogger;
  /** `undefined`: it is closed. */
  readonly onStatus: (status: StreamStatus | undefined) => void;
}

/** One subscriber of a group: puts together membership, ownership, handing over and committing. */
export class KafkaSubscription implements MainStreamSubscription {
  private readonly membership: GroupMembership;
  private readonly dispatcher: KafkaDispatcher;
  private readonly committer: KafkaCommitter;
  private readonly ownership: KafkaOwnership;
  private readonly consumer: KafkaConsumer;
  private readonly refusals: KafkaRefusals;
  private readonly maxWaitMs: number;
  private readonly sessionTimeoutMs: number;
  private readonly roomDelay = new Delay();
  private waitingForRoom: Promise<void> | undefined;
  private ready: () => void = () => undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly settings: KafkaSubscriptionOptions) {
    const { kafka, admin, options, subscribe, address, logger, onStatus } = settings;
    const { maxUncommitted = DEFAULT_MAX_UNCOMMITTED, commitIntervalMs = DEFAULT_COMMIT_INTERVAL_MS } = options;
    this.membership = new GroupMembership(subscribe.group, {
      beforeJoin: () => {
        if (!this.closing) onStatus('rebalancing');
        return this.ownership.beforeJoin();
      },
      claims: () => this.ownership.claims(),
      beforeFetch: () => this.room(),
      fetch: (send, request) =>
        fetchApart(send, { ...request, maxWaitTime: this.fetchWaitMs(request.maxWaitTime) }, (topic, error) =>
          this.refusals.note(topic, error),
        ),
    });
    this.refusals = new KafkaRefusals({
      group: subscribe.group,
      setReading: (topic, reading) => {
        for (const partition of this.ownership.held.values())
          if (partition.topic === topic && partition.state === 'active') this.setPaused(partition, !reading);
      },
      logger,
    });
    const { maxWaitTimeInMs, sessionTimeout, rebalanceTimeout } = consumerConfig(subscribe.group, this.membership, options);
    this.maxWaitMs = maxWaitTimeInMs!;
    this.sessionTimeoutMs = sessionTimeout!;
    this.dispatcher = new KafkaDispatcher({
      maxInFlight: subscribe.maxInFlight,
      topics: subscribe.topics.length,
      maxUncommitted,
      onDelivery: subscribe.onDelivery,
      rank: () => this.membership.rank,
      onCommitNear: () => this.committer.soon(),
      setPaused: (partition, paused) => this.setPaused(partition, paused),
    });
    this.committer = new KafkaCommitter({
      intervalMs: commitIntervalMs,
      partitions: () => this.ownership.held.values(),
      commit: (offsets) => this.membership.commit(offsets),
      onCommitted: () => this.dispatcher.pump(),
      logger,
    });
    this.ownership = new KafkaOwnership({
      membership: this.membership,
      dispatcher: this.dispatcher,
      committer: this.committer,
      setPaused: (partition, paused) => this.setPaused(partition, paused),
      seek: ({ topic, partition }, offset) => this.consumer.seek(topic, partition, offset),
      fromBeginning: options.fromBeginning !== false,
      drainTimeoutMs: subscribe.drainTimeoutMs,
      maxHoldMs: (rebalanceTimeout ?? DEFAULT_REBALANCE_TIMEOUT_MS) / 2,
      onRebalance: (change) => subscribe.onRebalance?.(change),
      onLeaving: (places) => subscribe.onLeaving?.(places),
      onReady: () => this.ready(),
      logger,
    });
    this.consumer = new KafkaConsumer({
      kafka,
      group: subscribe.group,
      topics: subscribe.topics,
      admin,
      membership: this.membership,
      options,
      address,
      logger,
      onTopicGone: (topic) => this.ownership.forget(topic),
      onBatch: (payload) => this.ownership.onBatch(payload),
      onJoin: (assignment, protocol) => this.ownership.onJoin(assignment, protocol),
      onStatus: (status) => {
        if (!this.closing) onStatus(status);
      },
    });
  }

  /** Resolves when the group is joined and the first offset of each assigned partition is known. @throws StreambackConnectionError */
  async start(): Promise<void> {
    const ready = new Promise<void>((resolve) => (this.ready = resolve));
    try {
      await this.consumer.start();
    } catch (error) {
      await this.close();
      throw error;
    }
    if (!this.closing) this.committer.start();
    await ready;
  }

  stop(): Promise<void> {
    this.dispatcher.stop();
    for (const partition of this.ownership.held.values()) this.setPaused(partition, true);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  heartbeat(): MemberHeartbeat {
    return { ageMs: Math.round(performance.now() - this.membership.confirmedAt), timeoutMs: this.sessionTimeoutMs };
  }

  async lag(): Promise<number> {
    const held = [...this.ownership.held.values()];
    const ends = await this.settings.admin.ends(new Set(held.map(({ topic }) => topic)));
    let lag = 0;
    for (const { topic, partition, position, commitPoint } of held) {
      if (position >= 0) lag += Math.max(0, (ends.get(topic)?.get(partition) ?? 0) - commitPoint.offset);
    }
    return lag;
  }

  unwrap(): unknown {
    return this.consumer.unwrap();
  }

  private async end(): Promise<void> {
    this.settings.onStatus(undefined);
    await this.stop();
    await this.ownership.end(new StreambackAbortError('SHUTDOWN', 'The consumer is closing'));
    this.committer.stop();
    this.refusals.end();
    this.ready();
    this.roomDelay.end();
    this.membership.leaving = true;
    await this.consumer.close();
  }

  private setPaused(partition: KafkaPartition, paused: boolean): void {
    const wasPaused = partition.paused;
    // What is fetched after stop is not taken, and kafkajs would fetch it over and over.
    partition.paused = paused || this.dispatcher.stopped;
    if (partition.paused && !wasPaused) partition.pausedAt = performance.now();
    this.consumer.setPaused(partition.topic, partition.partition, partition.paused);
    if (!partition.paused) this.roomDelay.wake();
  }

  /** kafkajs sleeps `maxWaitTimeInMs` when all is paused, and cannot be woken: so the fetch begins when there is room. */
  private async room(): Promise<void> {
    const partitions = [...this.ownership.held.values()];
    if (this.closing || partitions.length === 0 || partitions.some(({ paused, state }) => !paused && state === 'active')) return;
    // There is a fetcher for each broker: they wait together.
    this.waitingForRoom ??= this.roomDelay.wait(this.maxWaitMs).finally(() => (this.waitingForRoom = undefined));
    await this.waitingForRoom;
  }

  /**
   * A fetch that waits at the broker cannot be told of a partition that has room again meanwhile. So it waits no longer than a share of
   * the time for which one has been paused: a short pause ends soon, a long one costs few fetches.
   */
  private fetchWaitMs(maxWaitMs: number): number {
    let pausedAt = -Infinity;
    for (const partition of this.ownership.held.values())
      if (partition.paused && partition.state === 'active') pausedAt = Math.max(pausedAt, partition.pausedAt);
    const pauseMs = performance.now() - pausedAt;
    return Math.round(Math.min(maxWaitMs, Math.max(MIN_FETCH_WAIT_MS, pauseMs * FETCH_WAIT_SHARE)));
  }
}
