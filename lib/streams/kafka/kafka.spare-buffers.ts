/** The least that is kept, and asked of the system; others are powers of two. */
const LEAST_BYTES = 16_384;

/** Buffers that are used again: what is written anew each time need neither be asked of the system nor collected. */
export class SpareBuffers {
  /** From the smallest on. */
  private readonly spare: Buffer[] = [];
  private bytes = 0;

  /** @param maxBytes what is kept at most, together */
  constructor(private readonly maxBytes: number) {}

  /** A buffer of so many bytes or more, with whatever was in it. */
  take(size: number): Buffer {
    // It would not be kept.
    if (size > this.maxBytes) return Buffer.allocUnsafeSlow(size);
    const at = this.spare.findIndex(({ length }) => length >= size);
    if (at < 0) return Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(size))));
    const [buffer] = this.spare.splice(at, 1);
    this.bytes -= buffer!.length;
    return buffer!;
  }

  /** Nobody reads it any more. The largest are kept: they serve all others. */
  giveBack(buffer: Buffer): void {
    if (buffer.length > this.maxBytes) return;
    this.spare.push(buffer);
    this.spare.sort((one, other) => one.length - other.length);
    this.bytes += buffer.length;
    while (this.bytes > this.maxBytes) this.bytes -= this.spare.shift()!.length;
  }
}
