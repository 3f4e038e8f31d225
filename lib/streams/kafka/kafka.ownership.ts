import type { EachBatchPayload } from 'kafkajs';
import { StreambackAbortError } from '../../common/errors';
import type { StreambackLogger } from '../../common/logger';
import { within } from '../../common/waiting';
import type { TopicPartition } from '../main-stream';
import { EAGER_PROTOCOL } from './kafka.assigner';
import { placeKey } from './kafka.assignment';
import type { KafkaCommitter } from './kafka.committer';
import type { KafkaDispatcher } from './kafka.dispatcher';
import { describeFailure } from './kafka.errors';
import type { PartitionsByTopic } from './kafka.member-metadata';
import type { GroupMembership } from './kafka.membership';
import { KafkaPartition } from './kafka.partition';

/** Partitions that are free about the same time are given back in one round, in ms. */
const REJOIN_GATHER_MS = 50;
/** Between tries to find the first offsets, in ms. */
const START_RETRY_MS = 200;
/** The last commit of a partition that is given back is tried for so long, and at closing, in ms. */
const LAST_COMMIT_TIMEOUT_MS = 5_000;
const CLOSING_COMMIT_TIMEOUT_MS = 1_000;
const HEARTBEAT_MS = 1_000;

export interface OwnershipOptions {
  readonly membership: GroupMembership;
  readonly dispatcher: KafkaDispatcher;
  readonly committer: KafkaCommitter;
  readonly setPaused: (partition: KafkaPartition, paused: boolean) => void;
  readonly seek: (partition: KafkaPartition, offset: number) => void;
  readonly fromBeginning: boolean;
  readonly drainTimeoutMs: number;
  /** A join is not held back longer, or the group goes on without us, in ms. */
  readonly maxHoldMs: number;
  readonly onRebalance: (change: { assigned: readonly TopicPartition[]; revoked: readonly TopicPartition[] }) => void;
  /** Partitions are asked back: what has not begun need not. */
  readonly onLeaving: (places: readonly TopicPartition[]) => void;
  /** Every partition that was assigned has its first offset. */
  readonly onReady: () => void;
  readonly logger: StreambackLogger;
}

/**
 * What this member holds, and how it changes hands. In a group of our own, a partition that the leader moves is first given to
 * nobody: we see it missing, let its work end (all other partitions go on), commit, and join again. Where another program is in
 * the group, a join may take anything at once, so each join is held back until all work has ended.
 */
export class KafkaOwnership {
  readonly held = new Map<string, KafkaPartition>();
  private protocol = '';
  private rejoinTimer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: OwnershipOptions) {}

  /** For the leader: what is held, and where work is in flight. */
  claims(): { owned: PartitionsByTopic; busy: PartitionsByTopic } {
    const owned: Record<string, number[]> = {};
    const busy: Record<string, number[]> = {};
    for (const { topic, partition, inFlight } of this.held.values()) {
      (owned[topic] ??= []).push(partition);
      if (inFlight > 0) (busy[topic] ??= []).push(partition);
    }
    return { owned, busy };
  }

  /** Awaited before each join. */
  async beforeJoin(): Promise<void> {
    if (this.held.size === 0 || this.closed) return;
    if (this.protocol === EAGER_PROTOCOL) await this.endAllWork();
    // The join may be another program's first, which takes partitions at once: what was handled until now must not come again.
    await within(this.options.committer.commit(), LAST_COMMIT_TIMEOUT_MS);
  }

  /** Holds everything back, and waits for what is in flight, as long as the group waits for us. */
  private async endAllWork(): Promise<void> {
    const { dispatcher, membership, drainTimeoutMs, maxHoldMs, onLeaving } = this.options;
    dispatcher.hold(true);
    onLeaving([...this.held.values()].map(placeOf));
    const heartbeat = setInterval(() => void membership.heartbeat().catch(() => undefined), HEARTBEAT_MS);
    await within(Promise.all([...this.held.values()].map((partition) => partition.drained())), Math.min(drainTimeoutMs, maxHoldMs));
    clearInterval(heartbeat);
  }

  /** The group was joined: this is ours from now on. */
  onJoin(assignment: PartitionsByTopic, protocol: string): void {
    const { membership, dispatcher, onRebalance } = this.options;
    const missedRound = membership.missedRound;
    membership.confirm();
    this.protocol = protocol;
    const wanted = new Map(
      Object.entries(assignment).flatMap(([topic, partitions]) =>
        partitions.map((partition) => [placeKey(topic, partition), { topic, partition }]),
      ),
    );
    const revoked: TopicPartition[] = [];
    // What is lost makes room: it must not be filled from partitions that are lost next.
    dispatcher.hold(true);
    for (const [key, partition] of [...this.held]) {
      const kept = wanted.has(key);
      if (missedRound || partition.aborted || (!kept && protocol === EAGER_PROTOCOL)) {
        this.lose(partition);
        revoked.push(placeOf(partition));
      } else if (kept) this.keep(partition);
      else this.giveBack(partition);
    }
    const assigned: TopicPartition[] = [];
    for (const [key, place] of wanted) {
      if (this.held.has(key)) continue;
      const partition = new KafkaPartition(place.topic, place.partition, dispatcher);
      this.held.set(key, partition);
      dispatcher.add(partition);
      this.options.setPaused(partition, true);
      assigned.push(place);
    }
    dispatcher.hold(false);
    if (assigned.length > 0 || revoked.length > 0) onRebalance({ assigned, revoked });
    void this.start(membership.generation);
  }

  /** A topic was deleted: one of the same name begins anew. */
  forget(topic: string): void {
    const partitions = [...this.held.values()].filter((partition) => partition.topic === topic);
    for (const partition of partitions) this.lose(partition);
    if (partitions.length > 0) this.options.onRebalance({ assigned: [], revoked: partitions.map(placeOf) });
  }

  /** A fetch. Returns whether it was taken. */
  onBatch({ batch }: EachBatchPayload): boolean {
    const partition = this.held.get(placeKey(batch.topic, batch.partition));
    if (!partition || partition.state !== 'active' || this.options.dispatcher.stopped) return false;
    const fetchedOffset = Number((batch as unknown as { fetchedOffset: string }).fetchedOffset);
    const end = Number(batch.lastOffset()) + 1;
    let taken = partition.accept(fetchedOffset, batch.messages, end);
    if (taken === 'reset') {
      this.options.logger.warn(
        `Topic '${batch.topic}', partition ${batch.partition}: the log goes on at ${fetchedOffset}, before ${partition.position}`,
      );
      // What is aborted makes room, which must not be filled from what waits of the old log: it would never be given free again.
      partition.state = 'starting';
      this.options.dispatcher.forget(partition);
      partition.abort(revokedError());
      partition.start(fetchedOffset, -1);
      taken = partition.accept(fetchedOffset, batch.messages, end);
    }
    if (taken !== 'taken') {
      this.options.seek(partition, partition.position);
      return false;
    }
    this.options.dispatcher.onFetched(partition, batch.messages.length);
    return true;
  }

  /** Waits for what is in flight, up to `drainTimeoutMs`, aborts the rest with `reason`, and commits. */
  async end(reason: StreambackAbortError): Promise<void> {
    this.closed = true;
    clearTimeout(this.rejoinTimer);
    const partitions = [...this.held.values()];
    await within(Promise.all(partitions.map((partition) => partition.drained())), this.options.drainTimeoutMs);
    for (const partition of this.held.values()) partition.abort(reason);
    await this.options.committer.finish(CLOSING_COMMIT_TIMEOUT_MS);
  }

  private keep(partition: KafkaPartition): void {
    if (partition.state === 'draining') {
      partition.state = partition.position < 0 ? 'starting' : 'active';
      partition.paused = false;
      partition.wakeIdle();
    }
    if (partition.state !== 'active') return;
    // kafkajs begins at the commit again: what was handed over already must not come twice.
    this.options.seek(partition, partition.position);
    this.options.setPaused(partition, partition.paused);
  }

  private giveBack(partition: KafkaPartition): void {
    if (partition.state === 'draining') return;
    partition.state = 'draining';
    partition.dropQueue();
    this.options.onLeaving([placeOf(partition)]);
    void this.drain(partition);
  }

  private async drain(partition: KafkaPartition): Promise<void> {
    const { committer, dispatcher, drainTimeoutMs, onRebalance } = this.options;
    await within(partition.drained(), drainTimeoutMs);
    const over = () => partition.state !== 'draining' || this.closed;
    if (over()) return;
    if (partition.inFlight > 0) partition.abort(revokedError());
    await committer.finish(LAST_COMMIT_TIMEOUT_MS, () => over() || !partition.commitDue);
    if (over()) return;
    partition.state = 'gone';
    this.held.delete(placeKey(partition.topic, partition.partition));
    dispatcher.remove(partition);
    onRebalance({ assigned: [], revoked: [placeOf(partition)] });
    this.rejoinTimer ??= setTimeout(() => {
      this.rejoinTimer = undefined;
      this.options.membership.requestRejoin();
    }, REJOIN_GATHER_MS);
  }

  private lose(partition: KafkaPartition): void {
    partition.state = 'gone';
    this.held.delete(placeKey(partition.topic, partition.partition));
    this.options.dispatcher.remove(partition);
    partition.abort(revokedError());
  }

  /**
   * Finds out where new partitions begin. By ourselves, so that what kafkajs fetches can be told from what it should; and a group
   * that begins at the end commits that place, or a message sent right after would be passed over at the next join.
   */
  private async start(generation: number): Promise<void> {
    const { membership, fromBeginning, logger } = this.options;
    for (;;) {
      const starting = [...this.held.values()].filter(({ state }) => state === 'starting');
      if (this.closed || membership.generation !== generation) return;
      if (starting.length === 0) break;
      try {
        const committed = new Map(
          (await membership.committed(starting)).map((each) => [placeKey(each.topic, each.partition), each.offset]),
        );
        const fresh = starting.filter(({ topic, partition }) => (committed.get(placeKey(topic, partition)) ?? -1) < 0);
        const edges = fresh.length > 0 ? await membership.edges(fresh, fromBeginning) : [];
        if (edges.length > 0 && !fromBeginning) await membership.commit(edges);
        const first = new Map(edges.map((each) => [placeKey(each.topic, each.partition), each.offset]));
        if (membership.generation !== generation) return;
        for (const partition of starting) this.begin(partition, committed, first);
      } catch (error) {
        logger.debug(`The first offsets are not known yet: ${describeFailure(error)}`);
        await membership.refresh();
        await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS));
      }
    }
    this.options.onReady();
  }

  private begin(partition: KafkaPartition, committed: ReadonlyMap<string, number>, first: ReadonlyMap<string, number>): void {
    const key = placeKey(partition.topic, partition.partition);
    const offset = first.get(key) ?? committed.get(key)!;
    if (partition.state !== 'starting' || offset === undefined || offset < 0) return;
    partition.start(offset, offset);
    partition.paused = false;
    this.options.seek(partition, offset);
    this.options.setPaused(partition, false);
  }
}

const placeOf = ({ topic, partition }: KafkaPartition): TopicPartition => ({ topic, partition });

function revokedError(): StreambackAbortError {
  return new StreambackAbortError('REVOKED', 'The partition went to another member of the group');
}
