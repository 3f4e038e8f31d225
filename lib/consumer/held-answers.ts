import type { PendingBytes } from '../common/pending-bytes';
import { Queue } from '../common/queue';

/** Answers, and bytes of them, that share a frame at most. */
const MAX_SHARING = 1_024;
const MAX_SHARING_BYTES = 65_536;

/** The answers of one run, as JSON, that are not frames yet. Bytes are characters of JSON, about. */
export class HeldAnswers {
  /** Most runs give one answer, which costs no queue. */
  private first: string | undefined;
  private others: Queue<string> | undefined;
  private heldBytes = 0;
  /** Of these, what is held because earlier answers are not stored yet, rather than for want of credit: it counts as pending. */
  private pendingBytes = 0;

  /** @param pending what the whole connection has to write; who is told that an answer is stored takes it off again */
  constructor(private readonly pending: PendingBytes) {}

  get size(): number {
    return this.first === undefined ? 0 : 1 + (this.others?.size ?? 0);
  }

  get bytes(): number {
    return this.heldBytes;
  }

  /** @param hasCredit it can be written at once */
  add(json: string, hasCredit: boolean): void {
    if (hasCredit) this.addPending(json.length);
    if (this.first === undefined) this.first = json;
    else (this.others ??= new Queue()).push(json);
    this.heldBytes += json.length;
  }

  take(): string | undefined {
    const json = this.first;
    if (json === undefined) return undefined;
    this.first = this.others?.shift();
    this.heldBytes -= json.length;
    // What waited for credit becomes pending by being taken; from here on it is under way.
    if (this.pendingBytes < json.length) this.addPending(json.length - this.pendingBytes);
    this.pendingBytes -= json.length;
    return json;
  }

  /** The next answers that may share a frame. @param credit how many may be written */
  takeSharing(credit: number): string[] {
    if (credit > 0 && this.size === 1) return [this.take()!];
    const taken: string[] = [];
    let bytes = 0;
    while (taken.length < Math.min(credit, MAX_SHARING) && bytes < MAX_SHARING_BYTES) {
      const json = this.take();
      if (json === undefined) break;
      taken.push(json);
      bytes += json.length;
    }
    return taken;
  }

  forget(): void {
    this.first = this.others = undefined;
    this.heldBytes = 0;
    this.pending.remove(this.pendingBytes);
    this.pendingBytes = 0;
  }

  private addPending(bytes: number): void {
    this.pendingBytes += bytes;
    this.pending.add(bytes);
  }
}
