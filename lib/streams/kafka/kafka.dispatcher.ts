import type { MainStreamDelivery } from '../main-stream';
import { FairShare } from '../fair-share';
import type { KafkaPartition, PartitionObserver } from './kafka.partition';

/** What was released is handed over again after so long, in ms: who released it could not handle it just now. */
const RELEASE_DELAY_MS = 100;
/** So many deliveries of a partition are handed over before another one's turn comes. */
const TURN = 32;
/** Share of the threshold to which a paused partition's queue must fall before it is fetched again. */
const RESUME_SHARE = 0.75;

export interface DispatcherOptions {
  readonly maxInFlight: number;
  /** How many topics share it. */
  readonly topics: number;
  readonly maxUncommitted: number;
  readonly onDelivery: (delivery: MainStreamDelivery) => void;
  readonly rank: () => number;
  /** A partition is half way to `maxUncommitted`. */
  readonly onCommitNear: () => void;
  /** Starts or ends the fetching of a partition. */
  readonly setPaused: (partition: KafkaPartition, paused: boolean) => void;
}

/** Hands over what was fetched, in the order of each partition and in turn between them, within the bounds of M7. */
export class KafkaDispatcher implements PartitionObserver {
  /** Handed over for good: no more comes. */
  stopped = false;
  private held = false;
  private readonly shares: FairShare;
  private pumping = false;
  private turn = 0;
  private readonly partitions: KafkaPartition[] = [];
  private readonly timers = new Map<KafkaPartition, NodeJS.Timeout>();

  constructor(private readonly options: DispatcherOptions) {
    this.shares = new FairShare(options.maxInFlight, options.topics);
  }

  add(partition: KafkaPartition): void {
    this.partitions.push(partition);
  }

  /** What is in flight of it does not count any more. */
  remove(partition: KafkaPartition): void {
    const index = this.partitions.indexOf(partition);
    if (index === -1) return;
    this.partitions.splice(index, 1);
    this.forget(partition);
  }

  /** What is in flight of a partition was aborted. */
  forget(partition: KafkaPartition): void {
    this.shares.give(partition.topic, partition.inFlight);
    clearTimeout(this.timers.get(partition));
    this.timers.delete(partition);
    this.pump();
  }

  /** Hands nothing over while `held`. */
  hold(held: boolean): void {
    this.held = held;
    this.pump();
  }

  /** Hands nothing over any more. */
  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  /** So many messages were fetched for a partition. */
  onFetched(partition: KafkaPartition, count: number): void {
    this.pump();
    // Half of a fetch is kept in hand, so that a fast handler does not wait for the next one.
    partition.threshold = Math.max(Math.ceil(this.options.maxInFlight / Math.max(this.partitions.length, 1)), count >> 1);
    if (partition.queued > partition.threshold) this.options.setPaused(partition, true);
  }

  onSettled(partition: KafkaPartition): void {
    this.shares.give(partition.topic);
    this.pump();
  }

  onReleased(partition: KafkaPartition): void {
    this.shares.give(partition.topic);
    if (!this.stopped && !this.timers.has(partition)) {
      const timer = setTimeout(() => {
        this.timers.delete(partition);
        this.pump();
      }, RELEASE_DELAY_MS);
      this.timers.set(partition, timer);
    }
    this.pump();
  }

  pump(): void {
    // A delivery that is settled at once comes back here.
    if (this.pumping || this.stopped || this.held) return;
    this.pumping = true;
    try {
      let without = 0;
      while (without < this.partitions.length && this.shares.inFlight < this.options.maxInFlight && !this.stopped) {
        const partition = this.partitions[this.turn++ % this.partitions.length]!;
        without = this.handOver(partition) ? 0 : without + 1;
      }
    } finally {
      this.pumping = false;
    }
  }

  private handOver(partition: KafkaPartition): boolean {
    const { maxUncommitted, onDelivery, rank } = this.options;
    let count = 0;
    while (count < TURN && this.shares.hasRoom(partition.topic) && !this.stopped) {
      const again = partition.hasReleased;
      if (again ? partition.state !== 'active' || this.timers.has(partition) : !partition.canHandOver(maxUncommitted)) break;
      count++;
      this.shares.take(partition.topic);
      onDelivery(again ? partition.nextReleased(rank()) : partition.next(rank()));
    }
    if (count === 0) return false;
    if (partition.ahead * 2 > maxUncommitted) this.options.onCommitNear();
    if (partition.paused && partition.state === 'active' && partition.queued <= partition.threshold * RESUME_SHARE)
      this.options.setPaused(partition, false);
    return true;
  }
}
