import type { Message } from 'kafkajs';
import { Queue } from '../../common/queue';
import { isKeyless, type KafkaPartitioner, partitionOfKey } from './kafka.partitioner';

/** The most messages of one produce request. Where kafkajs writes it, it groups them in quadratic time. */
export const MAX_BATCH_MESSAGES = 1_000;
/** The most bytes of one produce request, all partitions together. */
export const MAX_BATCH_BYTES = 8_000_000;
/** The most bytes for one partition in a request: brokers refuse a record batch beyond `message.max.bytes`, 1,048,588 by default. */
export const MAX_PARTITION_BYTES = 900_000;
/** So much in a row without a key goes to one partition: a record batch is worth filling, and partitions are to share what comes at once. */
const KEYLESS_RUN = { messages: 64, bytes: 262_144 };
/** What a record takes beside its key, value and headers, at most. */
const RECORD_OVERHEAD_BYTES = 48;

/** What is known of a topic that is published to. */
export interface PublishTopic {
  readonly name: string;
  /** 0: not known yet. */
  partitions: number;
  /** Counts up, so that keyless messages go to each partition in turn, a run at a time. */
  turn: number;
  /** The most bytes for one of its partitions in a request; less once the broker has refused so many. */
  maxPartitionBytes: number;
  /** Its messages travel alone: the broker refused some, and what travelled with them would be written twice. */
  alone: boolean;
  readonly partitioner: KafkaPartitioner;
}

export interface PendingMessage {
  readonly topic: PublishTopic;
  /** Its topic is created where it is missing. */
  readonly createTopic: boolean;
  readonly record: Message;
  readonly bytes: number;
  /** Epoch ms after which it is given up. */
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** Resolved or rejected: it is not sent again. */
  done: boolean;
  /** It was part of a request, so it may have arrived although no acknowledgement came. */
  sent: boolean;
}

export function createPublishTopic(name: string, partitioner: KafkaPartitioner = 'murmur2'): PublishTopic {
  const turn = Math.floor(Math.random() * 1_000);
  return { name, partitions: 0, turn, maxPartitionBytes: MAX_PARTITION_BYTES, alone: false, partitioner };
}

/** The bytes that a record takes in a request, never less than it really takes. */
export function sizeOfRecord({ key, value, headers }: Message): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  if (headers) {
    for (const name in headers) {
      for (const each of [headers[name]].flat()) bytes += Buffer.byteLength(name) + (each?.length ?? 0) + 10;
    }
  }
  return bytes;
}

/** Chooses the partition: by the key, or for keyless messages in turn. */
export function place({ topic, record }: PendingMessage, turn: number): void {
  const key = record.key as Buffer | null;
  record.partition = isKeyless(key, topic.partitioner)
    ? (topic.turn + turn) % topic.partitions
    : partitionOfKey(key!, topic.partitions, topic.partitioner);
}

/** What waits to be sent, in order, and cuts batches from its front. */
export class PublishQueue {
  private readonly items = new Queue<PendingMessage>();

  get size(): number {
    return this.items.size;
  }

  push(message: PendingMessage): void {
    this.items.push(message);
  }

  /** Rejects what is past its deadline by `give`, from the front: all wait equally long. */
  expire(now: number, give: (message: PendingMessage) => void): void {
    for (const message of this.items) {
      if (message.deadline > now) return;
      if (!message.done) give(message);
    }
  }

  /**
   * The next batch, with partitions chosen. It ends where a message does not fit any more, so that order is kept; a message that is
   * too large for any batch goes alone.
   */
  take(): PendingMessage[] {
    const batch: PendingMessage[] = [];
    const bytesOf = new Map<PublishTopic, number[]>();
    let bytes = 0;
    let run = { turn: 0, messages: 0, bytes: 0 };
    for (let message; batch.length < MAX_BATCH_MESSAGES && (message = this.items.peek()); this.items.shift()) {
      if (message.done) continue;
      const { topic, record } = message;
      // The partition is chosen once: kafkajs would choose anew for each try, and lose what it thinks was sent.
      if (run.messages === KEYLESS_RUN.messages || run.bytes >= KEYLESS_RUN.bytes) run = { turn: run.turn + 1, messages: 0, bytes: 0 };
      if (record.partition === undefined) place(message, run.turn);
      const partition = record.partition!;
      let partitions = bytesOf.get(topic);
      if (!partitions) bytesOf.set(topic, (partitions = []));
      const inPartition = partitions[partition] ?? 0;
      if (batch.length > 0) {
        const first = batch[0]!.topic;
        if ((topic.alone || first.alone) && topic !== first) break;
        if (inPartition > 0 && inPartition + message.bytes > topic.maxPartitionBytes) break;
        if (bytes + message.bytes > MAX_BATCH_BYTES) break;
      }
      partitions[partition] = inPartition + message.bytes;
      bytes += message.bytes;
      run.messages += 1;
      run.bytes += message.bytes;
      batch.push(message);
    }
    for (const topic of bytesOf.keys()) topic.turn++;
    return batch;
  }
}
