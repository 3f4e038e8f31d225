import { createRequire } from 'node:module';

const requireFrom = createRequire(__filename);

interface Encoder {
  readonly buffer: Buffer;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: bigint | number): Encoder;
  writeString(value: string | null): Encoder;
  writeBuffer(value: Buffer): Encoder;
}

/** A message as kafkajs decodes it. */
export interface DecodedMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, Buffer | Buffer[]>;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

export interface DecodedAnswer {
  readonly responses: {
    readonly topicName: string;
    readonly partitions: { readonly messages: DecodedMessage[]; readonly abortedTransactions: unknown[] }[];
  }[];
}

const { RecordBatch } = requireFrom('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (batch: Record<string, unknown>) => Promise<Encoder>;
};
const record = requireFrom('kafkajs/src/protocol/recordBatch/record/v0') as (record: TestRecord) => Encoder;
const KafkajsEncoder = requireFrom('kafkajs/src/protocol/encoder') as new () => Encoder;
const messageSet = requireFrom('kafkajs/src/protocol/messageSet') as (set: Record<string, unknown>) => Encoder;

/** kafkajs' own reading of an answer. */
export const { decode: kafkajsDecode, parse: kafkajsParse } = requireFrom('kafkajs/src/protocol/requests/fetch/v11/response') as {
  decode: (bytes: Buffer) => Promise<DecodedAnswer>;
  parse: (answer: unknown) => Promise<unknown>;
};

/** What kafkajs makes of a partition of the answer. */
export const KafkajsBatch = requireFrom('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  partition: unknown,
) => { readonly messages: DecodedMessage[]; firstOffset(): string | null; lastOffset(): string; isEmptyDueToFiltering(): boolean };

export interface TestRecord {
  readonly offsetDelta: number;
  readonly timestampDelta?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Record<string, Buffer | string | Buffer[]>;
}

export interface TestBatch {
  readonly records: readonly TestRecord[];
  readonly firstOffset?: bigint;
  readonly firstTimestamp?: number;
  readonly maxTimestamp?: number;
  readonly producerId?: number;
  readonly transactional?: boolean;
  /** Bits beyond those that kafkajs' encoder writes. */
  readonly attributes?: number;
  readonly compression?: number;
}

/** Where the attributes stand in a batch, in bytes. */
const ATTRIBUTES_AT = 21;

export async function batchBytes({ records, firstOffset = 0n, attributes = 0, ...rest }: TestBatch): Promise<Buffer> {
  const last = records.at(-1)?.offsetDelta ?? 0;
  const { buffer } = await RecordBatch({ ...rest, firstOffset, lastOffsetDelta: last, records: records.map(record) });
  buffer.writeInt16BE(buffer.readInt16BE(ATTRIBUTES_AT) | attributes, ATTRIBUTES_AT);
  return Buffer.from(buffer);
}

/** Messages of the format before batches. */
export const messageSetBytes = (messages: { key: string; value: string }[]): Buffer =>
  Buffer.from(messageSet({ messageVersion: 1, entries: messages.map((each) => ({ ...each, timestamp: 1_000 })) }).buffer);

export interface TestPartition {
  readonly partition?: number;
  readonly errorCode?: number;
  readonly highWatermark?: bigint;
  readonly aborted?: readonly { producerId: bigint; firstOffset: bigint }[];
  readonly records?: Buffer;
  /** Of the records, where it lies. */
  readonly size?: number;
}

/** An answer of version 11. */
export function answerBytes(topics: Record<string, readonly TestPartition[]>, { throttle = 0, errorCode = 0 } = {}): Buffer {
  const answer = new KafkajsEncoder().writeInt32(throttle).writeInt16(errorCode).writeInt32(7).writeInt32(Object.keys(topics).length);
  for (const [topic, partitions] of Object.entries(topics)) {
    answer.writeString(topic).writeInt32(partitions.length);
    for (const { partition = 0, errorCode: code = 0, highWatermark = 100n, aborted, records = Buffer.alloc(0), size } of partitions) {
      answer.writeInt32(partition).writeInt16(code).writeInt64(highWatermark).writeInt64(highWatermark).writeInt64(0);
      answer.writeInt32(aborted?.length ?? -1);
      for (const { producerId, firstOffset } of aborted ?? []) answer.writeInt64(producerId).writeInt64(firstOffset);
      answer
        .writeInt32(-1)
        .writeInt32(size ?? records.length)
        .writeBuffer(records);
    }
  }
  return Buffer.from(answer.buffer);
}
