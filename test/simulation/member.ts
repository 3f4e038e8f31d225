import { StreambackAbortError } from '../../lib/common/errors';
import { within } from '../../lib/common/waiting';
import { KafkaDispatcher } from '../../lib/streams/kafka/kafka.dispatcher';
import { KafkaPartition } from '../../lib/streams/kafka/kafka.partition';
import type { MainStreamDelivery, MainStreamSubscribeOptions, MainStreamSubscription } from '../../lib/streams/main-stream';
import type { Broker } from './broker';
import type { DeliveryChecks } from './delivery-checks';
import type { Group, Round } from './group';
import type { Actor } from './world';

const COMMIT_MS = 300;
const FETCHED = 5;

/**
 * A member of a group, as the Kafka adapter is one: it hands over by the adapter's own dispatcher and partitions; what the adapter
 * does by kafkajs is a model here.
 */
export class Member implements MainStreamSubscription {
  readonly topics: readonly string[];
  private readonly held = new Map<string, KafkaPartition>();
  private readonly dispatcher: KafkaDispatcher;
  private readonly fetching = new Set<string>();
  private generation = 0;
  private lastHeard = 0;
  private committing = false;
  private commits: Promise<boolean> = Promise.resolve(true);
  /** Counts its memberships: what it says of an earlier one is not taken. */
  private membership = 0;
  private joined?: () => void;
  private closing?: Promise<void>;

  constructor(
    readonly actor: Actor,
    private readonly broker: Broker,
    private readonly group: Group,
    private readonly options: MainStreamSubscribeOptions & { readonly maxUncommitted: number },
    private readonly checks: DeliveryChecks,
  ) {
    this.topics = options.topics;
    this.dispatcher = new KafkaDispatcher({
      maxInFlight: options.maxInFlight,
      topics: options.topics.length,
      maxUncommitted: options.maxUncommitted,
      onDelivery: (delivery) => this.handOver(delivery),
      rank: () => this.generation,
      onCommitNear: () => this.commitSoon(10),
      setPaused: (partition, paused) => {
        partition.paused = paused;
        if (!paused) this.wake(keyOf(partition));
      },
    });
  }

  async join(): Promise<void> {
    const joined = new Promise<void>((resolve) => (this.joined = resolve));
    this.broker.world.after(this.broker.delay(), undefined, () => this.actor.dead || this.group.join(this));
    await joined;
  }

  /** The coordinator tells it something; in order, and not at once. */
  hear(round: Round): void {
    const { world } = this.broker;
    this.lastHeard = Math.max(this.lastHeard, world.time + this.broker.delay());
    world.after(this.lastHeard - world.time, this.actor, () => this.take(round));
  }

  /** There is more to read, or room again. */
  wake(key: string): void {
    if (this.fetching.has(key)) return;
    this.fetching.add(key);
    this.broker.world.after(this.broker.delay(), this.actor, () => {
      this.fetching.delete(key);
      this.fetch(key);
    });
  }

  /** It was away for a session and has lost everything: seen a while after it goes on. */
  evicted(): void {
    this.group.remove(this);
    this.membership += 1;
    this.broker.world.after(this.broker.world.random.between(0, 1_000), this.actor, () => {
      if (this.closing) return;
      this.dispatcher.hold(true);
      for (const partition of [...this.held.values()]) this.lose(partition);
      this.dispatcher.hold(false);
      this.group.join(this);
    });
  }

  async stop(): Promise<void> {
    this.dispatcher.stop();
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    await this.stop();
    await within(Promise.all([...this.held.values()].map((partition) => partition.drained())), this.options.drainTimeoutMs);
    for (const partition of this.held.values()) partition.abort(new StreambackAbortError('SHUTDOWN', 'The consumer is closing'));
    await within(this.commit(), 1_000);
    this.joined?.();
    this.checks.closed(this.actor);
    this.broker.world.after(this.broker.delay(), undefined, () => this.group.remove(this));
  }

  private handOver(delivery: MainStreamDelivery): void {
    this.options.onDelivery(
      this.checks.watched(delivery, this.group.name, this.actor, () => {
        this.commitSoon(COMMIT_MS);
      }),
    );
  }

  private take({ generation, own, giveBack }: Round): void {
    if (this.closing) return;
    this.generation = generation;
    this.broker.world.note(this.actor.name, 'generation', generation, 'owns', own, 'gives back', giveBack);
    const mine = new Set([...own, ...giveBack]);
    this.dispatcher.hold(true);
    for (const [key, partition] of [...this.held]) {
      if (!mine.has(key)) this.lose(partition);
    }
    for (const key of giveBack) this.giveBack(key);
    for (const key of own) {
      if (this.held.has(key)) this.wake(key);
      else this.start(key);
    }
    this.dispatcher.hold(false);
    this.joined?.();
  }

  private start(key: string): void {
    const [topic, partition] = key.split('/') as [string, string];
    const added = new KafkaPartition(topic, Number(partition), this.dispatcher);
    this.held.set(key, added);
    this.dispatcher.add(added);
    const begin = (): void => {
      if (this.held.get(key) !== added || added.state !== 'starting') return;
      if (this.broker.isAway) return void this.broker.world.after(200, this.actor, begin);
      const offset = this.group.committed(key);
      added.start(offset, offset);
      added.paused = false;
      this.wake(key);
    };
    this.broker.world.after(this.broker.delay(), this.actor, begin);
  }

  private giveBack(key: string): void {
    const partition = this.held.get(key);
    if (!partition) return this.group.returned(key, this);
    if (partition.state === 'draining') return;
    partition.state = 'draining';
    partition.dropQueue();
    this.options.onLeaving?.([{ topic: partition.topic, partition: partition.partition }]);
    void this.drain(key, partition);
  }

  private async drain(key: string, partition: KafkaPartition): Promise<void> {
    await within(partition.drained(), this.options.drainTimeoutMs);
    if (this.held.get(key) !== partition || this.closing) return;
    if (partition.inFlight > 0) partition.abort(new StreambackAbortError('REVOKED', 'The partition went to another member'));
    await within(this.commit(), 1_000);
    if (this.held.get(key) !== partition || this.closing) return;
    this.remove(key, partition);
    this.broker.world.after(this.broker.delay(), undefined, () => this.group.returned(key, this));
  }

  private lose(partition: KafkaPartition): void {
    this.remove(keyOf(partition), partition);
    partition.abort(new StreambackAbortError('REVOKED', 'The partition went to another member'));
  }

  private remove(key: string, partition: KafkaPartition): void {
    partition.state = 'gone';
    this.held.delete(key);
    this.dispatcher.remove(partition);
  }

  private fetch(key: string): void {
    const partition = this.held.get(key);
    if (!partition || partition.state !== 'active' || partition.paused || this.dispatcher.stopped) return;
    if (this.broker.isAway) return void this.broker.world.after(100, this.actor, () => this.wake(key));
    const log = this.broker.log(partition.topic, partition.partition);
    const messages = log.slice(partition.position, partition.position + 1 + this.broker.world.random.below(FETCHED));
    if (messages.length === 0) return;
    partition.accept(partition.position, messages, partition.position + messages.length);
    this.dispatcher.onFetched(partition, messages.length);
    if (partition.position < log.length && !partition.paused) this.wake(key);
  }

  private commitSoon(delayMs: number): void {
    if (this.committing) return;
    this.committing = true;
    this.broker.world.after(this.broker.world.random.between(0, delayMs), this.actor, () => {
      this.committing = false;
      void this.commit().then((whole) => {
        if (!whole && !this.closing) this.commitSoon(COMMIT_MS);
      });
    });
  }

  /** Commits what is due, one commit after another. @returns whether nothing was left behind */
  private commit(): Promise<boolean> {
    this.commits = this.commits.then(() => this.sendCommit());
    return this.commits;
  }

  private async sendCommit(): Promise<boolean> {
    const { world } = this.broker;
    const { membership, generation } = this;
    const due = [...this.held.entries()].filter(([, partition]) => partition.commitDue);
    if (due.length === 0) return true;
    const points = due.map(([key, partition]) => ({ key, partition, point: partition.commitPoint }));
    return new Promise<boolean>((resolve) => {
      world.after(this.broker.delay(), undefined, () => {
        const away = this.broker.isAway || membership !== this.membership;
        const taken = points.filter(({ key, point }) => !away && this.group.commit(key, point.offset, this, generation));
        world.after(this.broker.delay(), this.actor, () => {
          for (const { partition, point } of taken) partition.onCommitted(point);
          this.dispatcher.pump();
          resolve(taken.length === points.length);
        });
      });
    });
  }
}

const keyOf = ({ topic, partition }: KafkaPartition): string => `${topic}/${partition}`;
