import { StreambackLaneError } from '../common/errors';
import { numbersOf, type Frame } from '../protocol/frame';

/** What is to be done with a frame. */
export type FrameVerdict = 'deliver' | 'drop' | StreambackLaneError;

export interface FrameOrderOptions {
  /** Whether a new run is followed after answers were given, too. @default false */
  readonly followsRestarts?: boolean | undefined;
  /** The only group that is followed. @default the first to answer */
  readonly fromGroup?: string | undefined;
  /** The first frames may have been read by another process. @default false */
  readonly midway?: boolean | undefined;
}

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
  /** What is followed comes in Python's frames, which name no run and have no numbers. */
  private plain = false;
  private passedOver: string | null | undefined;

  constructor(private readonly options: FrameOrderOptions = {}) {}

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

  /** Whether what is followed comes in Python's frames: nothing tells of one that is lost. */
  get isPlain(): boolean {
    return this.plain;
  }

  /** A group whose frames were dropped because another one was asked for; undefined where there was none. */
  get droppedGroup(): string | null | undefined {
    return this.passedOver;
  }

  /** The consumer that was followed is gone: another may begin, with no lower rank. Should it write all the same, it is followed on. */
  forget(): void {
    this.lost = true;
  }

  accept(frame: Frame): FrameVerdict {
    const { seq, run, attempt, instance } = frame;
    const { fromGroup } = this.options;
    if (fromGroup !== undefined && frame.sourceGroup !== fromGroup) {
      this.passedOver = frame.sourceGroup;
      return 'drop';
    }
    if (frame.event === 'unreadable') return malformed('a frame of an unknown kind');
    if (seq === undefined) return frame.id === undefined ? this.acceptPlain(frame) : malformed('a frame without seq');
    if (run === undefined || attempt === undefined || instance === undefined) return malformed('a frame that names no run');
    if (this.plain && frame.sourceGroup !== this.group) return 'drop';
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
      if (this.emitted && !this.options.followsRestarts) return restarted();
      this.follow(frame, run, attempt);
      if (this.options.midway && this.followed === 1) this.nextSeq = seq;
    } else if (instance !== this.from) return 'drop';
    this.lost = false;
    if (seq + numbersOf(frame) <= this.nextSeq) return 'drop';
    if (seq < this.nextSeq) return malformed('answers of which it has had some');
    if (seq > this.nextSeq) {
      return new StreambackLaneError('GAP', `${seq - this.nextSeq} answers are lost: number ${seq} came where ${this.nextSeq} was due`);
    }
    this.nextSeq += numbersOf(frame);
    return this.deliver(frame);
  }

  /** A frame of Python's. One handler may have been followed in ours before, where a group has members of both kinds. */
  private acceptPlain(frame: Frame): FrameVerdict {
    const hasBegun = this.plain || this.followed > 0;
    if (hasBegun && frame.sourceGroup !== this.group) return 'drop';
    if (!this.plain) {
      if (this.emitted && !this.options.followsRestarts) return restarted();
      this.follow(frame, this.run, this.attempt);
      this.plain = true;
      this.from = undefined;
    }
    return this.deliver(frame);
  }

  private follow({ sourceGroup }: Frame, run: number, attempt: number): void {
    this.plain = false;
    this.run = run;
    this.attempt = attempt;
    this.shownAttempt = Math.max(attempt, this.shownAttempt + 1);
    this.group = sourceGroup;
    this.nextSeq = 0;
    this.followed += 1;
    this.emitted = false;
  }

  private deliver(frame: Frame): FrameVerdict {
    if (frame.values.length > 0) this.emitted = true;
    return 'deliver';
  }
}

const restarted = (): StreambackLaneError => new StreambackLaneError('RESTARTED', 'The handler began anew after answers had been read');

function malformed(what: string): StreambackLaneError {
  return new StreambackLaneError('MALFORMED_FRAME', `The lane got ${what}`);
}
