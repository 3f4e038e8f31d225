import { StreambackConnectionError } from '../../common/errors';

const CONTINUES = 0x80;
const BITS = 0x7f;
const TWO_TO_32 = 2 ** 32;
/** A 32-bit number takes five bytes of seven bits at most, a 64-bit one ten. */
const LAST_SHIFT_32 = 28;
const LAST_SHIFT_64 = 63;

/**
 * Reads Kafka's numbers without an object for each: kafkajs makes a BigInt of every 64-bit number and a string of that. A number beyond
 * 2^53 is not rounded in silence: it clears {@link understood}. Reads of fixed size throw a RangeError beyond the end, as kafkajs' do.
 */
export class ByteReader {
  /** What was read so far is what stands in the bytes: else it is to be read by kafkajs. */
  understood = true;

  constructor(
    readonly bytes: Buffer,
    public at = 0,
  ) {}

  int16(): number {
    const value = this.bytes.readInt16BE(this.at);
    this.at += 2;
    return value;
  }

  int32(): number {
    const value = this.bytes.readInt32BE(this.at);
    this.at += 4;
    return value;
  }

  int64(): number {
    const value = this.bytes.readInt32BE(this.at) * TWO_TO_32 + this.bytes.readUInt32BE(this.at + 4);
    this.at += 8;
    return this.checked(value);
  }

  /** A 32-bit number of as many bytes as it needs. Beyond the end there are zeros: whoever reads a record looks at where that ended. */
  varInt(): number {
    let byte = this.bytes[this.at++]!;
    let value = byte & BITS;
    for (let shift = 7; byte >= CONTINUES; shift += 7) {
      if (shift > LAST_SHIFT_32) throw malformed('a number has too many bytes');
      byte = this.bytes[this.at++]!;
      value |= (byte & BITS) << shift;
    }
    return (value >>> 1) ^ -(value & 1);
  }

  /** A 64-bit number of as many bytes as it needs. */
  varLong(): number {
    let byte = this.bytes[this.at++]!;
    let value = byte & BITS;
    for (let shift = 7; byte >= CONTINUES; shift += 7) {
      if (shift > LAST_SHIFT_64) throw malformed('a number has too many bytes');
      byte = this.bytes[this.at++]!;
      value += (byte & BITS) * 2 ** shift;
    }
    this.checked(value);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  string(): string | null {
    const length = this.int16();
    if (length === -1) return null;
    if (length < 0 || length > this.left) throw malformed('a string ends beyond it');
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }

  /** Bytes up to the end. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  list<Item>(read: () => Item): Item[] {
    const length = this.int32();
    if (length < -1) throw malformed('a list has a length below zero');
    const items: Item[] = [];
    for (let i = 0; i < length; i++) items.push(read());
    return items;
  }

  /** Sees to it that a number can tell such values apart. */
  checked(value: number): number {
    if (!Number.isSafeInteger(value)) this.understood = false;
    return value;
  }
}

/** Bytes that no broker sends; tried again by a consumer that is built anew. */
export function malformed(what: string): StreambackConnectionError {
  return Object.assign(new StreambackConnectionError('UNREACHABLE', `The answer to a fetch is malformed: ${what}`), { retriable: false });
}
