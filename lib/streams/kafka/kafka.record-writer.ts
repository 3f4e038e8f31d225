import type { Message } from 'kafkajs';
import { crc32c } from './kafka.crc32c';

const MAGIC = 2;
/** Offset, length, leader's epoch, magic and checksum of a batch; the length counts from the epoch on, the checksum covers what follows. */
const BATCH_HEAD_BYTES = 21;
const LENGTH_ENDS_AT = 12;
/** Attributes, last offset, two timestamps, the producer's id, epoch and sequence, and the number of records. */
const BATCH_FACTS_BYTES = 40;

/** The records of one partition in a request, and what they take. */
export interface SizedBatch {
  readonly partition: number;
  readonly records: readonly Message[];
  /** What each record takes behind its length. */
  readonly bodies: readonly number[];
  /** What the whole record batch takes. */
  readonly bytes: number;
}

/** `undefined` where there is something that is not written here: kafkajs takes more than what this stream gives it. */
export function sizeBatch(partition: number, records: readonly Message[]): SizedBatch | undefined {
  const bodies: number[] = [];
  let bytes = BATCH_HEAD_BYTES + BATCH_FACTS_BYTES;
  for (const record of records) {
    const { key, value, headers } = record;
    if (record.timestamp !== undefined || !isBytes(key) || value === undefined || !isBytes(value)) return undefined;
    const headersBytes = headers === undefined ? 1 : sizeOfHeaders(headers);
    if (headersBytes === undefined) return undefined;
    // Attributes and the time since the batch's own take one byte each.
    const body = 2 + sizeOfVarint(bodies.length) + sizeOfBytes(key) + sizeOfBytes(value) + headersBytes;
    bodies.push(body);
    bytes += sizeOfVarint(body) + body;
  }
  return { partition, records, bodies, bytes };
}

/** Writes a request's bytes, one after the other, into what was allocated for all of them. */
export class RecordWriter {
  private at = 0;

  constructor(readonly bytes: Buffer) {}

  int16(value: number): void {
    this.at = this.bytes.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.bytes.writeInt32BE(value, this.at);
  }

  string(value: string, length: number): void {
    this.int16(length);
    this.at += this.bytes.write(value, this.at, length, 'utf8');
  }

  /** A record batch (magic 2), uncompressed, of no idempotent producer, as kafkajs writes it. */
  batch({ records, bodies, bytes }: SizedBatch, now: number): void {
    const start = this.at;
    this.int64(0); // The first offset, which the broker fills in.
    this.int32(bytes - LENGTH_ENDS_AT);
    this.int32(0); // The leader's epoch.
    this.bytes[this.at] = MAGIC;
    this.at = start + BATCH_HEAD_BYTES;
    this.int16(0); // Attributes.
    this.int32(records.length - 1);
    this.int64(now);
    this.int64(now);
    this.int32(-1); // The producer's id, of eight bytes.
    this.int32(-1);
    this.int16(0);
    this.int32(0);
    this.int32(records.length);
    for (let i = 0; i < records.length; i++) this.record(records[i]!, bodies[i]!, i);
    const head = start + BATCH_HEAD_BYTES;
    this.bytes.writeUInt32BE(crc32c(this.bytes, head, this.at), head - 4);
  }

  private record({ key, value, headers }: Message, body: number, offset: number): void {
    this.varint(body);
    this.bytes[this.at++] = 0; // Attributes.
    this.bytes[this.at++] = 0; // The time since the batch's own.
    this.varint(offset);
    this.block(key as Buffer | null | undefined);
    this.block(value as Buffer | null);
    if (headers === undefined) this.bytes[this.at++] = 0;
    else this.headers(headers as Headers);
  }

  private headers(headers: Headers): void {
    this.varint(countOf(headers));
    for (const name of Object.keys(headers)) {
      const value = headers[name]!;
      if (Array.isArray(value)) for (const each of value) this.header(name, each);
      else this.header(name, value);
    }
  }

  private header(name: string, value: Buffer): void {
    const length = Buffer.byteLength(name);
    this.varint(length);
    this.at += this.bytes.write(name, this.at, length, 'utf8');
    this.block(value);
  }

  private block(value: Buffer | null | undefined): void {
    if (value === null || value === undefined) return this.varint(-1);
    this.varint(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  /** The number's sign goes into its lowest bit; then seven bits a byte, the lowest first. */
  private varint(value: number): void {
    const { bytes } = this;
    let rest = (value << 1) ^ (value >> 31);
    while ((rest & ~127) !== 0) {
      bytes[this.at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[this.at++] = rest;
  }

  private int64(value: number): void {
    this.int32(Math.floor(value / 2 ** 32));
    this.at = this.bytes.writeUInt32BE(value >>> 0, this.at);
  }
}

type Headers = Record<string, Buffer | Buffer[]>;

function isBytes(value: Message['value'] | undefined): value is Buffer | null | undefined {
  return value === null || value === undefined || Buffer.isBuffer(value);
}

function sizeOfHeaders(headers: NonNullable<Message['headers']>): number | undefined {
  let bytes = sizeOfVarint(countOf(headers));
  for (const name of Object.keys(headers)) {
    const length = Buffer.byteLength(name);
    const value = headers[name];
    for (const each of Array.isArray(value) ? value : [value]) {
      if (!Buffer.isBuffer(each)) return undefined;
      bytes += sizeOfVarint(length) + length + sizeOfBytes(each);
    }
  }
  return bytes;
}

function countOf(headers: NonNullable<Message['headers']>): number {
  let count = 0;
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    count += Array.isArray(value) ? value.length : 1;
  }
  return count;
}

function sizeOfBytes(value: Buffer | null | undefined): number {
  return value === null || value === undefined ? 1 : sizeOfVarint(value.length) + value.length;
}

/** Of a number that is not negative. */
function sizeOfVarint(value: number): number {
  if (value < 64) return 1;
  if (value < 8_192) return 2;
  if (value < 1_048_576) return 3;
  return value < 134_217_728 ? 4 : 5;
}
