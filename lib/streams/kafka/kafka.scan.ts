import type { Consumer, Kafka, KafkaMessage } from 'kafkajs';
import { backoffDelayMs } from '../../common/backoff';
import { StreambackConnectionError } from '../../common/errors';
import { Delay } from '../../common/waiting';
import type { MainStreamMessage, MainStreamScan, MainStreamScanOptions } from '../main-stream';
import { toMainStreamMessage } from './kafka.delivery';
import { classifyFailure, rootCause, toConnectionError } from './kafka.errors';
import { committedMessages, type FetchedPartition } from './kafka.fetched';
import { UNKNOWN_TOPIC_WAIT_MS, type KafkaTopics } from './kafka.topics';

const BACKOFF = { delayMs: 100, factor: 2, maxDelayMs: 1_000, jitter: 0.2 };
const MAX_FETCH_BYTES = 1_048_576;
/** How long the broker may hold a fetch that it has nothing for, in ms. */
const MAX_FETCH_WAIT_MS = 200;

/** What this needs of kafkajs' broker beyond its types. */
interface ScanBroker {
  fetch(request: unknown): Promise<{ responses: { partitions: FetchedPartition[] }[] }>;
  offsetCommit(request: unknown): Promise<unknown>;
  offsetFetch(request: unknown): Promise<{ responses: TopicOffsets[] }>;
}

/** What this needs of kafkajs' cluster. */
interface ScanCluster {
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  findTopicPartitionMetadata(topic: string): { partitionId: number }[];
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(node: { nodeId: string }): Promise<ScanBroker>;
  findGroupCoordinator(query: { groupId: string }): Promise<ScanBroker>;
  fetchTopicsOffset(topics: unknown[]): Promise<TopicOffsets[]>;
}

interface TopicOffsets {
  readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
}

/** What is to be read of a partition: from `next` up to `end`, exclusive. */
interface Range {
  readonly partition: number;
  next: number;
  readonly end: number;
}

export interface KafkaScanOptions {
  /** A client of the scan's own. */
  readonly kafka: Kafka;
  readonly topics: KafkaTopics;
  readonly scan: MainStreamScanOptions;
  /** How long a broker that fails is tried again, in ms. */
  readonly patienceMs: number;
  readonly onClosed: () => void;
}

/**
 * Reads a topic up to the end that it had at the beginning, without joining the group whose place it keeps: a member would wait for a
 * rebalance, and for the session of one that has died. kafkajs has no consumer that only reads, so one is made for its cluster, and
 * never run.
 */
export class KafkaScan implements MainStreamScan {
  private readonly consumer: Consumer;
  private cluster!: ScanCluster;
  private ranges: Range[] = [];
  private readonly delay = new Delay();
  private closing: Promise<void> | undefined;

  constructor(private readonly settings: KafkaScanOptions) {
    this.consumer = settings.kafka.consumer({
      groupId: settings.scan.group,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        ({ cluster }) => {
          this.cluster = cluster as unknown as ScanCluster;
          return { name: 'none', version: 0, protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }), assign: async () => [] };
        },
      ],
    });
  }

  /** @throws StreambackConnectionError */
  async open(): Promise<this> {
    const { topics, scan } = this.settings;
    try {
      if ((await topics.partitionsOf(scan.topic)) === undefined) return this;
      await this.trying(async () => {
        await this.consumer.connect();
        await this.cluster.addTargetTopic(scan.topic);
        this.ranges = await this.findRanges();
      });
      return this;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MainStreamMessage> {
    for (const range of this.ranges) {
      while (range.next < range.end) {
        // A fetch may give more than was asked for, on both sides.
        const from = range.next;
        for (const message of await this.trying(() => this.fetch(range))) {
          const offset = Number(message.offset);
          if (offset >= from && offset < range.end)
            yield toMainStreamMessage(this.settings.scan.topic, range.partition, message as KafkaMessage, 1);
        }
      }
    }
  }

  async moveBehind({ partition, offset }: MainStreamMessage): Promise<void> {
    const { group: groupId, topic } = this.settings.scan;
    const topics = [{ topic, partitions: [{ partition, offset: String(BigInt(offset) + 1n) }] }];
    await this.trying(async () => {
      const broker = await this.cluster.findGroupCoordinator({ groupId });
      // As one that is no member: the broker takes it while the group has none.
      await broker.offsetCommit({ groupId, memberId: '', groupGenerationId: -1, topics });
    });
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    this.delay.end();
    await this.consumer.disconnect().catch(() => undefined);
    this.settings.onClosed();
  }

  private async findRanges(): Promise<Range[]> {
    const { topic, group, fromBeginning = false } = this.settings.scan;
    const partitions = this.cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId }));
    const edges = async (edge: { fromBeginning: boolean }): Promise<Map<number, number>> =>
      offsetsOf(await this.cluster.fetchTopicsOffset([{ topic, partitions, ...edge }]));
    const [starts, ends] = [await edges({ fromBeginning: true }), await edges({ fromBeginning: false })];
    const places = fromBeginning ? new Map<number, number>() : await this.places(group, partitions);
    return partitions.map(({ partition }) => {
      const [start, end, place] = [starts.get(partition)!, ends.get(partition)!, places.get(partition) ?? -1];
      // Outside what there is: it was deleted, or the topic was and came again.
      return { partition, next: place >= start && place <= end ? place : start, end };
    });
  }

  private async places(groupId: string, partitions: readonly { partition: number }[]): Promise<Map<number, number>> {
    const broker = await this.cluster.findGroupCoordinator({ groupId });
    return offsetsOf((await broker.offsetFetch({ groupId, topics: [{ topic: this.settings.scan.topic, partitions }] })).responses);
  }

  /** What is at `range.next`, and puts that behind it. Where nothing is left there (compaction, the marks of transactions): nothing. */
  private async fetch(range: Range): Promise<FetchedPartition['messages']> {
    const { topic } = this.settings.scan;
    const { partition, next: fetchOffset } = range;
    const [nodeId] = Object.keys(this.cluster.findLeaderForPartitions(topic, [partition]));
    if (nodeId === undefined) throw stale(`Partition ${partition} of '${topic}' has no leader`);
    const broker = await this.cluster.findBroker({ nodeId });
    const partitions = [{ partition, fetchOffset: String(fetchOffset), maxBytes: MAX_FETCH_BYTES }];
    const request = { maxWaitTime: MAX_FETCH_WAIT_MS, minBytes: 1, maxBytes: MAX_FETCH_BYTES, topics: [{ topic, partitions }] };
    const fetched = await broker.fetch(request).catch(async (error: unknown) => {
      if (rootCause(error).type !== 'OFFSET_OUT_OF_RANGE') throw error;
      // Its retention was faster: what it deleted is passed over.
      const [start] = offsetsOf(
        await this.cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning: true }]),
      ).values();
      if (start === undefined || start <= fetchOffset) throw error;
      range.next = start;
      return undefined;
    });
    const found = fetched?.responses[0]?.partitions[0];
    if (!fetched) return [];
    // A throttled answer is empty, and a new leader may not know yet how far it may show what it has.
    if (!found || Number(found.highWatermark) <= fetchOffset) throw stale(`Partition ${partition} of '${topic}' is not shown to its end`);
    const last = found.messages.at(-1);
    range.next = Math.max(fetchOffset, last ? Number(last.offset) : -1) + 1;
    return committedMessages(found);
  }

  /** Tries again what may succeed later. @throws StreambackConnectionError */
  private async trying<Result>(task: () => Promise<Result>): Promise<Result> {
    const { scan, patienceMs } = this.settings;
    const began = Date.now();
    for (let attempt = 1; ; attempt++) {
      if (this.closing) throw new StreambackConnectionError('CLOSED', `The scan of '${scan.topic}' was closed`);
      try {
        return await task();
      } catch (error) {
        const patience = { transient: patienceMs, 'unknown-topic': UNKNOWN_TOPIC_WAIT_MS }[classifyFailure(error) as string] ?? 0;
        if (Date.now() - began >= patience) throw toConnectionError(error, `Reading '${scan.topic}'`);
        await this.delay.wait(backoffDelayMs(attempt, BACKOFF));
        await this.cluster.refreshMetadata().catch(() => undefined);
      }
    }
  }
}

function offsetsOf(topics: readonly TopicOffsets[]): Map<number, number> {
  return new Map(topics.flatMap(({ partitions }) => partitions.map(({ partition, offset }) => [partition, Number(offset)] as const)));
}

function stale(message: string): StreambackConnectionError {
  return new StreambackConnectionError('UNREACHABLE', message);
}
