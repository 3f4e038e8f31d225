import { StreambackLaneError } from '../common/errors';
import type { Frame } from '../protocol/frame';

/** What is to be done with a frame. */
export type FrameVerdict = 'deliver' | 'drop' | StreambackLaneError;

/**
 * Which frames of a lane reach its reader: each once, in order, of one run of one group (F1, F4). The first group to answer stays. A
 * lane that has emitted nothing follows the newest run, and so does one that asked to see restarts; a lower rank is dropped, and of
 * two equal ones the first seen stays.
 */
export class FrameOrder {
  private run = -1;
  private attempt = -1;
  private from: string | undefined;
  /** The consumer that was followed is held to be gone. */
  private lost = false;
  private shownAttempt = 0;
  private group: string | null = null;
  private nextSeq = 0;
  private emitted = false;
  private followed = 0;

  /** @param followsRestarts whether a new run is followed after answers were given, too */
  constructor(private readonly followsRestarts = false) {}

  /** The consumer whose run is followed: who to send control to. */
  get instance(): string | undefined {
    return this.lost ? undefined : this.from;
  }

  /** The try that is followed, from 1; 0 before the first frame. It rises with each run, also where another process counts anew. */
  get currentAttempt(): number {
    return this.shownAttempt;
  }

  /** Whether the reader has been given an answer. */
  get hasEmitted(): boolean {
    return this.emitted;
  }

  /** How many runs have been followed. */
  get runs(): number {
    return this.followed;
  }

  /** The consumer that was followed is gone: another may begin, with no lower rank. Should it write all the same, it is followed on. */
  forget(): void {
    this.lost = true;
  }

  accept(frame: Frame): FrameVerdict {
    const { seq, run, attempt, instance } = frame;
    if (frame.event === 'unreadable') return malformed('a frame of an unknown kind');
    if (seq === undefined) return frame.id === undefined ? this.deliver(frame) : malformed('a frame without seq');
    if (run === undefined || attempt === undefined || instance === undefined) return malformed('a frame that names no run');
    // Ranks of two groups cannot be compared.
    if (this.from !== undefined && (!this.lost || this.emitted) && frame.sourceGroup !== this.group) return 'drop';
    const rank = run - this.run || attempt - this.attempt;
    if (rank < 0) return 'drop';
    // What another group has said before was dropped: it can only be followed from its beginning.
    if (this.lost && frame.sourceGroup !== this.group && seq > 0) return 'drop';
    if (rank > 0 || (this.lost && instance !== this.from)) {
      // Also where the lane is over now: it is the new run that has to be stopped.
      this.from = instance;
      this.lost = false;
      if (this.emitted && !this.followsRestarts)
        return new StreambackLaneError('RESTARTED', 'The handler began anew after answers had been read');
      this.follow(frame, run, attempt);
    } else if (instance !== this.from) return 'drop';
    this.lost = false;
    if (seq < this.nextSeq) return 'drop';
    if (seq > this.nextSeq) {
      return new StreambackLaneError('GAP', `${seq - this.nextSeq} answers are lost: number ${seq} came where ${this.nextSeq} was due`);
    }
    this.nextSeq += 1;
    return this.deliver(frame);
  }

  private follow({ sourceGroup }: Frame, run: number, attempt: number): void {
    this.run = run;
    this.attempt = attempt;
    this.shownAttempt = Math.max(attempt, this.shownAttempt + 1);
    this.group = sourceGroup;
    this.nextSeq = 0;
    this.followed += 1;
    this.emitted = false;
  }

  private deliver(frame: Frame): FrameVerdict {
    if (frame.hasValue) this.emitted = true;
    return 'deliver';
  }
}

function malformed(what: string): StreambackLaneError {
  return new StreambackLaneError('MALFORMED_FRAME', `The lane got ${what}`);
}
