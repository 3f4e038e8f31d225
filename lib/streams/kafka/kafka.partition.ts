import { setMaxListeners } from 'node:events';
import type { KafkaMessage } from 'kafkajs';
import type { StreambackAbortError } from '../../common/errors';
import { KafkaDelivery, toMainStreamMessage, type DeliveryOwner } from './kafka.delivery';
import { OffsetTracker, type CommitPoint } from './kafka.offset-tracker';

/**
 * `starting`: its first offset is being found out. `active`: read and handed over. `draining`: asked back; what is in flight may
 * end, nothing more is handed over. `gone`: another member's.
 */
export type PartitionState = 'starting' | 'active' | 'draining' | 'gone';

export interface PartitionObserver {
  /** A delivery was settled: there is room. */
  onSettled(partition: KafkaPartition): void;
  /** A delivery was released: it comes again. */
  onReleased(partition: KafkaPartition): void;
}

/** One partition that this member holds: what was fetched and waits, what is in flight, and what may be committed. */
export class KafkaPartition implements DeliveryOwner {
  state: PartitionState = 'starting';
  /** kafkajs was told not to fetch it. */
  paused = true;
  /** When fetching was last paused; `performance.now()`. */
  pausedAt = 0;
  /** The last offset known to be committed; -1: none. */
  committed = -1;
  /** The next offset to come from the broker. */
  position = -1;
  /** What was in flight has been aborted: it cannot be taken up again as it is. */
  aborted = false;
  /** Fetching pauses while more than so many wait. */
  threshold = 0;
  /** The last jump of the broker that was not believed. */
  private doubted = -1;
  private revocation = newRevocation();
  private tracker = new OffsetTracker<KafkaDelivery>(-1);
  private queue: KafkaMessage[] = [];
  private head = 0;
  private readonly released: KafkaDelivery[] = [];
  private idle: (() => void)[] = [];

  constructor(
    readonly topic: string,
    readonly partition: number,
    private readonly observer: PartitionObserver,
  ) {}

  /** Fetched, and not yet handed over. */
  get queued(): number {
    return this.queue.length - this.head;
  }

  /** In flight: handed over, neither settled nor released. */
  get inFlight(): number {
    return this.tracker.unsettled - this.released.length;
  }

  /** Handed over beyond the last commit. */
  get ahead(): number {
    return this.tracker.ahead;
  }

  get commitPoint(): CommitPoint {
    return this.tracker.commitPoint;
  }

  get commitDue(): boolean {
    return this.position >= 0 && this.tracker.commitPoint.offset > this.committed;
  }

  /** Begins at an offset. */
  start(offset: number, committed: number): void {
    this.state = 'active';
    this.position = offset;
    this.committed = committed;
    this.aborted = false;
    this.revocation = newRevocation();
    this.tracker = new OffsetTracker(offset);
    this.released.length = 0;
    this.queue = [];
    this.head = 0;
  }

  /**
   * Takes what was fetched. Returns the offset to read from instead where the fetch does not go on from what came before:
   * `'reset'` where the broker's log itself has changed.
   */
  accept(fetchedOffset: number, messages: readonly KafkaMessage[], end: number): number | 'taken' | 'reset' {
    if (fetchedOffset > this.position && this.doubted !== fetchedOffset) {
      // A fetch from before a seek, or a jump because the broker deleted what lay between: the second time it is the latter.
      this.doubted = fetchedOffset;
      return this.position;
    }
    if (fetchedOffset < this.position) return 'reset';
    if (this.head === this.queue.length) {
      this.queue = messages as KafkaMessage[];
      this.head = 0;
    } else {
      this.queue = this.queue.slice(this.head).concat(messages);
      this.head = 0;
    }
    this.position = end;
    this.doubted = -1;
    return 'taken';
  }

  canHandOver(maxUncommitted: number): boolean {
    return this.state === 'active' && this.released.length === 0 && this.head < this.queue.length && this.tracker.ahead < maxUncommitted;
  }

  /** The next delivery. */
  next(rank: number): KafkaDelivery {
    const message = this.queue[this.head]!;
    this.queue[this.head++] = undefined as unknown as KafkaMessage;
    const delivery = new KafkaDelivery(
      toMainStreamMessage(this.topic, this.partition, message, rank),
      Number(message.offset),
      this.revocation.signal,
      this,
    );
    this.tracker.add(delivery);
    // Control records and compacted gaps at the end of a fetch are behind what was handled.
    if (this.head === this.queue.length) this.tracker.next = this.position;
    return delivery;
  }

  /** The first of what was released, as a new delivery; the partition goes on behind all of it. */
  nextReleased(rank: number): KafkaDelivery {
    const released = this.released.shift()!;
    const again = new KafkaDelivery({ ...released.message, rank }, released.offset, this.revocation.signal, this);
    this.tracker.replace(released, again);
    return again;
  }

  get hasReleased(): boolean {
    return this.released.length > 0;
  }

  /** A point that was on its way when the partition began anew says nothing of what it holds now. */
  onCommitted(point: CommitPoint): void {
    if (point.of !== this.tracker) return;
    this.committed = Math.max(this.committed, point.offset);
    this.tracker.committed(point);
  }

  onSettle(delivery: KafkaDelivery): void {
    this.tracker.settle(delivery);
    this.wakeIfIdle();
    this.observer.onSettled(this);
  }

  onRelease(delivery: KafkaDelivery): void {
    this.released.push(delivery);
    this.released.sort((a, b) => a.offset - b.offset);
    this.wakeIfIdle();
    this.observer.onReleased(this);
  }

  /** Forgets what waits; it is read again. */
  dropQueue(): void {
    if (this.head < this.queue.length) this.position = Number(this.queue[this.head]!.offset);
    this.queue = [];
    this.head = 0;
  }

  /** Aborts what is in flight. */
  abort(reason: StreambackAbortError): void {
    this.aborted = true;
    for (const delivery of this.tracker.entries()) delivery.end();
    this.revocation.abort(reason);
    this.wakeIdle();
  }

  /** Resolves when nothing is in flight. */
  async drained(): Promise<void> {
    if (this.inFlight > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Ends the waiting for {@link drained}. */
  wakeIdle(): void {
    for (const resolve of this.idle.splice(0)) resolve();
  }

  private wakeIfIdle(): void {
    if (this.idle.length > 0 && this.inFlight === 0) this.wakeIdle();
  }
}

function newRevocation(): AbortController {
  const controller = new AbortController();
  // As many may listen as there are deliveries.
  setMaxListeners(0, controller.signal);
  return controller;
}
