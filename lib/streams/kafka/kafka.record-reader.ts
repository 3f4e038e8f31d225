import type { MessageHeader } from '../main-stream';
import { malformed, type ByteReader } from './kafka.byte-reader';
import { ascending, FetchedRecord, NO_HEADERS, type RecordContext } from './kafka.fetched-record';

/** The first offset and the length of a batch, which do not count to that length. */
const BATCH_PREFIX = 12;
/** Leader epoch, magic byte, checksum, attributes, offsets and times, producer, and the number of records. */
const BATCH_HEADER = 49;
/** Where the magic byte stands: in a batch, and in a message of the formats before it. */
const MAGIC_AT = 16;
const MAGIC = 2;
/** kafkajs looks no further where less is left. */
const LEAST_BATCH = 49;
/** Length, attributes, time, offset, key, value and headers, each of a byte. */
const LEAST_RECORD = 7;
/** The lengths of name and value. */
const LEAST_HEADER = 2;

const COMPRESSION = 0x07;
const APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/**
 * Reads a partition's records up to `end`, in one pass; a batch that is cut off at the end is left out, as kafkajs does.
 * Compressed batches and older formats are left to kafkajs altogether: of those the reader's `understood` is cleared.
 */
export function readRecordBatches(reader: ByteReader, end: number): FetchedRecord[] {
  const records: FetchedRecord[] = [];
  if (!isOurs(reader, end)) return records;
  while (end - reader.at >= LEAST_BATCH) {
    if (!isOurs(reader, end)) break;
    const firstOffset = reader.int64();
    const length = reader.int32();
    if (length > end - reader.at) break;
    if (length < BATCH_HEADER) throw malformed('a batch is shorter than its header');
    const next = reader.at + length;
    readBatch(reader, next, firstOffset, records);
    reader.at = next;
  }
  return isAscending(records) ? ascending(records) : records;
}

function isOurs(reader: ByteReader, end: number): boolean {
  return (reader.understood &&= end - reader.at > MAGIC_AT && reader.bytes[reader.at + MAGIC_AT] === MAGIC);
}

function readBatch(reader: ByteReader, end: number, firstOffset: number, records: FetchedRecord[]): void {
  reader.at += MAGIC_AT - BATCH_PREFIX + 1 + 4;
  const attributes = reader.int16();
  if ((attributes & COMPRESSION) !== 0) {
    reader.understood = false;
    return;
  }
  reader.at += 4;
  const firstTime = reader.int64();
  const appendTime = reader.int64();
  const context: RecordContext = {
    producerId: String(reader.int64()),
    inTransaction: (attributes & TRANSACTIONAL) !== 0,
    isControlBatch: (attributes & CONTROL) !== 0,
  };
  reader.at += 6;
  const count = reader.int32();
  if (count < -1 || count * LEAST_RECORD > end - reader.at) throw malformed('a batch has more records than bytes');
  for (let i = 0; i < count; i++) {
    const length = reader.varInt();
    const next = reader.at + length;
    if (length < LEAST_RECORD - 1 || next > end) throw malformed('a record ends beyond its batch');
    // Its own attributes say nothing.
    reader.at++;
    const time = reader.checked(firstTime + reader.varLong());
    const offset = reader.checked(firstOffset + reader.varInt());
    const key = readBytes(reader, next);
    const value = readBytes(reader, next);
    const headers = readHeaders(reader, next);
    records.push(new FetchedRecord(offset, (attributes & APPEND_TIME) === 0 ? time : appendTime, key, value, headers, context));
    reader.at = next;
  }
}

function readBytes(reader: ByteReader, end: number): Buffer | null {
  const length = reader.varInt();
  if (length === -1) return null;
  const from = reader.at;
  if (length < 0 || length > end - from) throw malformed('a field ends beyond its record');
  reader.at = from + length;
  return reader.bytes.subarray(from, from + length);
}

function readHeaders(reader: ByteReader, end: number): readonly MessageHeader[] {
  const count = reader.varInt();
  if (count < -1 || reader.at > end || count * LEAST_HEADER > end - reader.at) throw malformed('a record has more headers than bytes');
  if (count <= 0) return NO_HEADERS;
  const headers: MessageHeader[] = [];
  for (let i = 0; i < count; i++) {
    const name = readBytes(reader, end)?.toString() ?? 'null';
    headers.push([name, readBytes(reader, end) ?? Buffer.alloc(0)]);
  }
  return headers;
}

function isAscending(records: readonly FetchedRecord[]): boolean {
  for (let i = 1; i < records.length; i++) if (records[i]!.place <= records[i - 1]!.place) return false;
  return true;
}
