/** The least that is kept, and asked of the system; others are powers of two. What is smaller shares memory with others. */
const LEAST_BYTES = 16_384;

/** Buffers that are used again: what is written anew each time need neither be asked of the system nor collected. */
export class SpareBuffers {
  /** From the smallest on. */
  private readonly spare: Buffer[] = [];
  private bytes = 0;

  /**
   * @param maxBytes what is kept at most, together
   * @param largest the largest that is kept: of what is larger, a few would take the place of all others
   */
  constructor(
    private readonly maxBytes: number,
    private readonly largest = maxBytes,
  ) {}

  /** A buffer of so many bytes or more, with whatever was in it. */
  take(size: number): Buffer {
    // It would not be kept.
    if (size > this.largest) return Buffer.allocUnsafeSlow(size);
    const at = this.spare.findIndex(({ length }) => length >= size);
    if (at < 0) return Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(size))));
    const [buffer] = this.spare.splice(at, 1);
    this.bytes -= buffer!.length;
    return buffer!;
  }

  /** The bytes of a text. Of a short one nothing need be given back. */
  encode(text: string): Buffer {
    const size = Buffer.byteLength(text, 'utf8');
    if (size < LEAST_BYTES) return Buffer.from(text, 'utf8');
    const buffer = this.take(size);
    return buffer.subarray(0, buffer.write(text, 'utf8'));
  }

  /**
   * Nobody reads it any more. The largest are kept: they serve all others.
   * @param bytes what was taken, or what a text was encoded to
   */
  giveBack(bytes: Buffer): void {
    if (bytes.length < LEAST_BYTES) return;
    const buffer = bytes.length === bytes.buffer.byteLength ? bytes : Buffer.from(bytes.buffer);
    if (buffer.length > this.largest) return;
    this.spare.push(buffer);
    this.spare.sort((one, other) => one.length - other.length);
    this.bytes += buffer.length;
    while (this.bytes > this.maxBytes) this.bytes -= this.spare.shift()!.length;
  }
}
