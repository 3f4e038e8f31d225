import { StreambackAbortError, StreambackError, StreambackLaneError, StreambackPublishError } from '../common/errors';
import { Queue } from '../common/queue';
import type { FeedbackSource, FeedbackTarget, FeedbackWriter } from '../inbox/feedback-writer';
import type { ErrorDetails } from '../protocol/frame';
import { type JsonForm, toJson } from '../protocol/json';
import type { InboxItem, WriteResult } from '../streams/feedback-stream';
import type { FrameFormat } from './frame-format';

/** Frames, and bytes, that may be on their way to the feedback stream before {@link Responder.room} makes a pulling handler wait. */
const MAX_UNWRITTEN = 256;
const MAX_UNWRITTEN_BYTES = 1_000_000;
/** So far ahead of what it has sent may a client let a handler run, in frames. */
const MAX_CREDIT_AHEAD = 65_536;

interface Load {
  frames: number;
  /** About: characters of JSON. */
  bytes: number;
}

export interface ResponderOptions {
  readonly target: FeedbackTarget;
  readonly format: FrameFormat;
  readonly writer: FeedbackWriter;
  /** Names the request in errors. */
  readonly pattern: string;
  readonly maxAnswerBytes: number;
  /** @default plain JSON */
  readonly json?: JsonForm | undefined;
  /** Answers of a source that cannot be slowed that are held for a slow reader; beyond, the lane errs OVERFLOW (F5). */
  readonly maxBuffered: number;
  /** Frames that may be sent before the reader asks for more; `undefined`: as many as come. */
  readonly credit: number | undefined;
  /** Nobody reads any more. */
  readonly onGone: (reason: StreambackAbortError) => void;
  /** Called with each answer that is taken. */
  readonly onAnswer?: (() => void) | undefined;
}

type Ending = { readonly kind: 'end' } | { readonly kind: 'error'; readonly text: string; readonly details: ErrorDetails };

/**
 * Writes the answers of one run, as far as its reader has given credit for; the others are held. The last answer waits for the end
 * of the tick, so that the end may ride on it.
 */
export class Responder implements FeedbackSource {
  /** Answers, as JSON, that are not frames yet. */
  private readonly held = new Queue<string>();
  private heldBytes = 0;
  /** Of these, what is held because earlier answers are not stored yet, rather than for want of credit: it counts as pending. */
  private pendingBytes = 0;
  /** What the last drain took and is not known to be stored yet: the writer has one write a target under way. */
  private underWay: Load | undefined;
  private credit: number;
  /** Frames made: the `seq` of the next. */
  private made = 0;
  private ending: Ending | undefined;
  /** Nothing more is made: the end was, or nobody wants it. */
  private over = false;
  private accepting = false;
  private scheduled = false;
  private failure: StreambackError | undefined;
  private refused: StreambackError | undefined;
  private waiters: (() => void)[] = [];
  private awaitsPending = false;

  constructor(private readonly options: ResponderOptions) {
    this.credit = options.credit ?? Infinity;
  }

  /** Whether the reader has been sent anything, or is about to be. */
  get hasBegun(): boolean {
    return this.made > 0 || this.held.size > 0 || this.ending !== undefined;
  }

  /** What {@link write} threw last: an error that is known by its identity is ours, whatever else a handler may throw. */
  get refusal(): StreambackError | undefined {
    return this.refused;
  }

  /** Whether any frame was made: its reader has it, or is about to. */
  get hasSent(): boolean {
    return this.made > 0;
  }

  /**
   * Takes one answer.
   * @throws StreambackPublishError NOT_SERIALIZABLE, TOO_LARGE
   * @throws StreambackLaneError OVERFLOW where the reader is too slow for what cannot be slowed
   * @throws StreambackError what keeps earlier answers from being stored
   */
  write(value: unknown): void {
    if (this.ending || this.over) return;
    try {
      this.take(value);
    } catch (error) {
      this.refused = error as StreambackError;
      throw error;
    }
  }

  private take(value: unknown): void {
    if (this.failure) throw this.failure;
    const { pattern, maxAnswerBytes, maxBuffered } = this.options;
    const json = toJson(value, `An answer of '${pattern}'`, this.options.json);
    // A UTF-16 unit is at most three bytes: only what may pass the limit is counted exactly.
    if (json.length * 3 > maxAnswerBytes && Buffer.byteLength(json) > maxAnswerBytes) {
      const bytes = Buffer.byteLength(json);
      throw new StreambackPublishError(
        'TOO_LARGE',
        `An answer of '${pattern}' has ${bytes} bytes, maxAnswerBytes allows ${maxAnswerBytes}`,
      );
    }
    if (this.held.size >= maxBuffered) {
      this.forgetHeld();
      throw new StreambackLaneError('OVERFLOW', `The reader of '${pattern}' is more than ${maxBuffered} answers behind`);
    }
    if (this.made + this.held.size < this.credit) this.addPending(json.length);
    this.held.push(json);
    this.heldBytes += json.length;
    this.options.onAnswer?.();
    this.schedule();
  }

  /** Tells the reader that the handler runs, if nothing else has. */
  accept(): void {
    if (this.hasBegun || this.over) return;
    this.accepting = true;
    this.schedule();
  }

  /** The reader takes frames whose `seq` is below `upTo`. */
  grant(upTo: number): void {
    const bounded = Math.min(upTo, this.made + MAX_CREDIT_AHEAD);
    if (bounded <= this.credit) return;
    this.credit = bounded;
    if (this.held.size > 0) this.schedule();
    this.wake();
  }

  /** Nothing while there is room for a further answer, else a promise of room. */
  room(): Promise<void> | undefined {
    if (this.hasRoom()) return undefined;
    return this.change(() => {
      this.awaitPending();
      return this.hasRoom();
    });
  }

  /** Resolves when all that was written so far is stored, or will never be. */
  flushed(): Promise<void> {
    return this.change(() => this.held.size === 0 && !this.scheduled && !this.underWay);
  }

  /** Writes the end; resolves when it is stored. @throws StreambackError when it cannot be */
  end(): Promise<void> {
    return this.finish({ kind: 'end' });
  }

  /** Writes the end with an error; resolves when it is stored. @throws StreambackError when it cannot be */
  endWithError(text: string, details: ErrorDetails): Promise<void> {
    return this.finish({ kind: 'error', text, details });
  }

  /** What comes from now on is dropped. */
  abandon(): void {
    this.over = true;
    this.forgetHeld();
    this.wake();
  }

  drain(items: InboxItem[]): void {
    this.scheduled = false;
    if (this.over) return;
    const load: Load = { frames: 0, bytes: 0 };
    const make = (frames: readonly Buffer[], bytes: number): void => {
      for (const value of frames) items.push({ field: 'frame', value });
      this.made += frames.length;
      load.frames += frames.length;
      load.bytes += bytes;
    };
    const { format } = this.options;
    if (this.accepting && this.made === 0 && this.held.size === 0) make(format.accepted(), 0);
    this.accepting = false;
    const rides = this.ending?.kind === 'end' ? 1 : 0;
    while (this.held.size > rides && this.made < this.credit) {
      const json = this.takeHeld()!;
      make([format.response(json)], json.length);
    }
    if (this.ending && this.held.size <= rides) {
      const last = this.takeHeld();
      make(this.ending.kind === 'end' ? format.end(last) : [format.endWithError(this.ending.text, this.ending.details)], last?.length ?? 0);
      this.over = true;
    }
    if (load.frames > 0) this.underWay = load;
  }

  written(result: WriteResult | StreambackError): void {
    this.options.writer.pending.remove(this.underWay?.bytes ?? 0);
    this.underWay = undefined;
    if (result === 'gone') this.options.onGone(new StreambackAbortError('CLIENT_LOST', "The client's inbox is gone"));
    else if (result !== 'written') {
      this.failure = result;
      this.forgetHeld();
    }
    this.wake();
  }

  private async finish(ending: Ending): Promise<void> {
    if (!this.ending && !this.over) {
      this.ending = ending;
      this.schedule();
    }
    await this.flushed();
    if (this.failure) throw this.failure;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.options.writer.schedule(this.options.target, this);
  }

  private takeHeld(): string | undefined {
    const json = this.held.shift();
    if (json === undefined) return undefined;
    this.heldBytes -= json.length;
    // What waited for credit becomes pending by being taken; from here on it is under way.
    if (this.pendingBytes < json.length) this.addPending(json.length - this.pendingBytes);
    this.pendingBytes -= json.length;
    return json;
  }

  private forgetHeld(): void {
    this.held.clear();
    this.heldBytes = 0;
    this.options.writer.pending.remove(this.pendingBytes);
    this.pendingBytes = 0;
  }

  private addPending(bytes: number): void {
    this.pendingBytes += bytes;
    this.options.writer.pending.add(bytes);
  }

  private hasRoom(): boolean {
    const frames = this.held.size + (this.underWay?.frames ?? 0);
    const bytes = this.heldBytes + (this.underWay?.bytes ?? 0);
    return (
      this.over ||
      (frames < MAX_UNWRITTEN &&
        this.held.size < this.options.maxBuffered &&
        bytes < MAX_UNWRITTEN_BYTES &&
        this.made + this.held.size < this.credit &&
        !this.options.writer.pending.isFull)
    );
  }

  /** Others may have filled what all share: then they make the room. */
  private awaitPending(): void {
    const { pending } = this.options.writer;
    if (this.awaitsPending || !pending.isFull) return;
    this.awaitsPending = true;
    pending.onRoom(() => {
      this.awaitsPending = false;
      this.wake();
    });
  }

  private change(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (done()) resolve();
        else this.waiters.push(look);
      };
      this.waiters.push(look);
    });
  }

  private wake(): void {
    if (this.waiters.length === 0) return;
    for (const wake of this.waiters.splice(0)) wake();
  }
}
