import { ByteReader } from './kafka.byte-reader';
import type { FetchedRecord } from './kafka.fetched-record';
import { readRecordBatches } from './kafka.record-reader';

/** A partition's part of the answer, with kafkajs' names. */
interface AnsweredPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly lastStableOffset: string;
  readonly lastStartOffset: string;
  readonly abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[];
  readonly preferredReadReplica: number;
  readonly messages: readonly FetchedRecord[];
}

/** An answer to a fetch, as kafkajs has it. */
export interface FetchAnswer {
  readonly throttleTime: number;
  readonly clientSideThrottleTime: number;
  readonly errorCode: number;
  readonly sessionId: number;
  readonly responses: readonly { readonly topicName: string | null; readonly partitions: readonly AnsweredPartition[] }[];
}

/**
 * Reads an answer of version 11, which all brokers from Kafka 2.3 on are asked for.
 * @returns `undefined`: there is something in it that is left to kafkajs
 * @throws RangeError, StreambackConnectionError UNREACHABLE: its lengths lie
 */
export function readFetchAnswer(bytes: Buffer): FetchAnswer | undefined {
  const reader = new ByteReader(bytes);
  const clientSideThrottleTime = reader.int32();
  const errorCode = reader.int16();
  const sessionId = reader.int32();
  const responses = reader.list(() => ({ topicName: reader.string(), partitions: reader.list(() => readPartition(reader)) }));
  // The broker has not throttled: it is left to the client, which kafkajs does by the other one.
  return reader.understood ? { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses } : undefined;
}

function readPartition(reader: ByteReader): AnsweredPartition {
  return {
    partition: reader.int32(),
    errorCode: reader.int16(),
    highWatermark: String(reader.int64()),
    lastStableOffset: String(reader.int64()),
    lastStartOffset: String(reader.int64()),
    abortedTransactions: reader.list(() => ({ producerId: String(reader.int64()), firstOffset: String(reader.int64()) })),
    preferredReadReplica: reader.int32(),
    messages: readMessages(reader),
  };
}

function readMessages(reader: ByteReader): FetchedRecord[] {
  const size = reader.int32();
  if (size <= 0 || size > reader.left) return [];
  const end = reader.at + size;
  const records = readRecordBatches(reader, end);
  reader.at = end;
  return records;
}
