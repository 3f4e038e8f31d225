import type { StreambackLogger } from '../../common/logger';
import { within } from '../../common/waiting';
import { describeFailure, rootCause } from './kafka.errors';
import type { PartitionOffset } from './kafka.membership';
import type { KafkaPartition } from './kafka.partition';

/** A commit that a full partition waits for is made after so long, in ms. */
const SOON_MS = 10;
/** Between the tries of a commit that somebody waits for, in ms. */
const RETRY_MS = 100;
/** A rebalance is on: the commit is made again in the generation after it. A topic that was deleted is reported by who reads it. */
const EXPECTED = new Set([
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'NOT_COORDINATOR_FOR_GROUP',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

export interface CommitterOptions {
  readonly intervalMs: number;
  /** What may be committed now: partitions that this member holds. */
  readonly partitions: () => Iterable<KafkaPartition>;
  readonly commit: (offsets: readonly PartitionOffset[]) => Promise<void>;
  readonly onCommitted: () => void;
  readonly logger: StreambackLogger;
}

/** Commits the contiguous settled prefix of each partition from time to time, beside the fetching (M5). */
export class KafkaCommitter {
  private interval: NodeJS.Timeout | undefined;
  private soonTimer: NodeJS.Timeout | undefined;
  private running: Promise<boolean> | undefined;

  constructor(private readonly options: CommitterOptions) {}

  start(): void {
    this.interval ??= setInterval(() => {
      if (!this.running) void this.commit();
    }, this.options.intervalMs);
  }

  stop(): void {
    clearInterval(this.interval);
    clearTimeout(this.soonTimer);
    this.interval = undefined;
    this.soonTimer = undefined;
  }

  /** Commits before the interval ends. */
  soon(): void {
    if (!this.interval || this.soonTimer) return;
    this.soonTimer = setTimeout(() => {
      this.soonTimer = undefined;
      void this.commit();
    }, SOON_MS);
  }

  /** Commits what is due. Resolves with whether nothing was left behind; never rejects. */
  async commit(): Promise<boolean> {
    // One at a time: a slow one must not overtake, nor be overtaken.
    while (this.running) await this.running;
    this.running = this.send();
    try {
      return await this.running;
    } finally {
      this.running = undefined;
    }
  }

  /** Tries to commit until it succeeds, `until` says that it is not needed any more, or the time is up. */
  async finish(timeoutMs: number, until: () => boolean = () => false): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (let done = false; !done && Date.now() < end;) {
      await within(
        this.commit().then((committed) => void (done = committed || until())),
        end - Date.now(),
      );
      if (!done) await new Promise((resolve) => setTimeout(resolve, Math.min(RETRY_MS, Math.max(end - Date.now(), 0))));
    }
  }

  private async send(): Promise<boolean> {
    const due = [...this.options.partitions()].filter((partition) => partition.commitDue);
    if (due.length === 0) return true;
    const points = due.map((partition) => ({ partition, point: partition.commitPoint }));
    try {
      await this.options.commit(points.map(({ partition: { topic, partition }, point: { offset } }) => ({ topic, partition, offset })));
    } catch (error) {
      const line = `A commit failed and is tried again: ${describeFailure(error)}`;
      if (EXPECTED.has(rootCause(error).type ?? '')) this.options.logger.debug(line);
      else this.options.logger.warn(line);
      return false;
    }
    for (const { partition, point } of points) partition.onCommitted(point);
    this.options.onCommitted();
    return true;
  }
}
