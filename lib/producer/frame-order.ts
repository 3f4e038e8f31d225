import { StreambackLaneError } from '../common/errors';
import type { Frame } from '../protocol/frame';

/** What is to be done with a frame. */
export type FrameVerdict = 'deliver' | 'drop' | StreambackLaneError;

/**
 * Which frames of a lane reach its reader: each once, in order, of one run of one group (F1, F4). The first group to answer stays. A
 * lane that has emitted nothing follows the newest run; a lower rank is dropped, and of two equal ones the first seen stays.
 */
export class FrameOrder {
  private run = -1;
  private attempt = -1;
  private from: string | undefined;
  /** The consumer that is not followed any more, because it was held to be gone. */
  private forgotten: string | undefined;
  private group: string | null = null;
  private nextSeq = 0;
  private emitted = false;
  private followed = 0;

  /** The consumer whose run is followed: who to send control to. */
  get instance(): string | undefined {
    return this.from;
  }

  /** The try that is followed, from 1; 0 before the first frame. */
  get currentAttempt(): number {
    return Math.max(this.attempt, 0);
  }

  /** Whether the reader has been given an answer. */
  get hasEmitted(): boolean {
    return this.emitted;
  }

  /** How many runs have been followed. */
  get runs(): number {
    return this.followed;
  }

  /** The consumer that was followed is gone: another may begin, with no lower rank; or it goes on, should it have been only away. */
  forget(): void {
    this.forgotten = this.from;
    this.from = undefined;
  }

  accept(frame: Frame): FrameVerdict {
    const { seq, run, attempt, instance } = frame;
    if (frame.event === 'unreadable') return malformed('a frame of an unknown kind');
    if (seq === undefined) return frame.id === undefined ? this.deliver(frame) : malformed('a frame without seq');
    if (run === undefined || attempt === undefined || instance === undefined) return malformed('a frame that names no run');
    // Ranks of two groups cannot be compared.
    if (this.from !== undefined && frame.sourceGroup !== this.group) return 'drop';
    const rank = run - this.run || attempt - this.attempt;
    if (rank < 0) return 'drop';
    if (rank === 0 && this.from === undefined && instance === this.forgotten) this.from = instance;
    // What another group has said before was dropped: it can only be followed from its beginning.
    if (this.forgotten !== undefined && frame.sourceGroup !== this.group && seq > 0) return 'drop';
    if (rank > 0 || this.from === undefined) {
      if (this.emitted) return new StreambackLaneError('RESTARTED', 'The handler began anew after answers had been read');
      this.run = run;
      this.attempt = attempt;
      this.from = instance;
      this.group = frame.sourceGroup;
      this.nextSeq = 0;
      this.followed += 1;
    } else if (instance !== this.from) return 'drop';
    if (seq < this.nextSeq) return 'drop';
    if (seq > this.nextSeq) {
      return new StreambackLaneError('GAP', `${seq - this.nextSeq} answers are lost: number ${seq} came where ${this.nextSeq} was due`);
    }
    this.nextSeq += 1;
    return this.deliver(frame);
  }

  private deliver(frame: Frame): FrameVerdict {
    if (frame.hasValue) this.emitted = true;
    return 'deliver';
  }
}

function malformed(what: string): StreambackLaneError {
  return new StreambackLaneError('MALFORMED_FRAME', `The lane got ${what}`);
}
