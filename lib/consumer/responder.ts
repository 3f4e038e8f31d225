import { StreambackAbortError, StreambackError, StreambackLaneError, StreambackPublishError } from '../common/errors';
import type { FeedbackLines } from '../inbox/feedback-lines';
import type { FeedbackSource, FeedbackTarget, FeedbackWriter } from '../inbox/feedback-writer';
import type { ErrorDetails } from '../protocol/frame';
import { type JsonForm, toJson } from '../protocol/json';
import type { WriteResult } from '../streams/feedback-stream';
import type { FrameFormat } from './frame-format';
import { HeldAnswers } from './held-answers';

/** Answers, and bytes, that may be on their way to the feedback stream before {@link Responder.room} makes a pulling handler wait. */
const MAX_UNWRITTEN = 1_024;
const MAX_UNWRITTEN_BYTES = 1_000_000;
/** So far ahead of what it has sent may a client let a handler run, in answers. */
const MAX_CREDIT_AHEAD = 65_536;

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
  /** Answers that may be sent before the reader asks for more; `undefined`: as many as come. */
  readonly credit: number | undefined;
  /** Nobody reads any more. */
  readonly onGone: (reason: StreambackAbortError) => void;
  /** Called with each answer that is taken. */
  readonly onAnswer?: (() => void) | undefined;
}

/** Told that the end is stored, or what keeps it from that. */
type Stored = (failure?: { readonly error: StreambackError }) => void;

type Ending = { readonly kind: 'end' } | { readonly kind: 'error'; readonly text: string; readonly details: ErrorDetails };

/**
 * Writes the answers of one run, as far as its reader has given credit for; the others are held. The last answer waits for the end
 * of the tick, so that the end may ride on it.
 */
export class Responder implements FeedbackSource {
  private readonly held: HeldAnswers;
  /** What the last drain took and is not known to be stored yet, in answers and characters of JSON: the writer has one write a target under way. */
  private underWay = 0;
  private bytesUnderWay = 0;
  private credit: number;
  /** Numbers given to answers, and to frames without: the `seq` of the next. */
  private made = 0;
  private ending: Ending | undefined;
  /** Nothing more is made: the end was, or nobody wants it. */
  private over = false;
  private accepting = false;
  private scheduled = false;
  private failure: StreambackError | undefined;
  private refused: StreambackError | undefined;
  private waiters: (() => void)[] | undefined;
  /** Told when the end is stored. */
  private stored: Stored | undefined;
  private awaitsPending = false;

  constructor(private readonly options: ResponderOptions) {
    this.credit = options.credit ?? Infinity;
    this.held = new HeldAnswers(options.writer.pending);
  }

  /** Whether the reader has been sent anything, or is about to be. */
  get hasBegun(): boolean {
    return this.made > 0 || this.held.size > 0 || this.ending !== undefined;
  }

  /** Whether all that was taken is as good as written: nothing of it waits for its reader, nor for a server that is behind. */
  get isGoingOut(): boolean {
    const { writer } = this.options;
    return this.made + this.held.size <= this.credit && !writer.isFailing && !writer.pending.isFull;
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
      this.held.forget();
      throw new StreambackLaneError('OVERFLOW', `The reader of '${pattern}' is more than ${maxBuffered} answers behind`);
    }
    this.held.add(json, this.made + this.held.size < this.credit);
    this.options.onAnswer?.();
    this.schedule();
  }

  /** Tells the reader that the handler runs, if nothing else has. */
  accept(): void {
    if (this.hasBegun || this.over) return;
    this.accepting = true;
    this.schedule();
  }

  /** The reader takes what is numbered below `upTo`. */
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
    return this.change(() => this.isFlushed());
  }

  /** Writes the end, which there is one of; resolves when it is stored. @throws StreambackError when it cannot be */
  end(): Promise<void> {
    return this.endStored({ kind: 'end' });
  }

  /**
   * {@link end} for the many: a callback, as every request has one.
   * @param stored told when it is stored, or what keeps it from that
   */
  finish(stored: Stored): void {
    this.finishWith({ kind: 'end' }, stored);
  }

  /** Writes the end with an error; resolves when it is stored. @throws StreambackError when it cannot be */
  endWithError(text: string, details: ErrorDetails): Promise<void> {
    return this.endStored({ kind: 'error', text, details });
  }

  /** What comes from now on is dropped. */
  abandon(): void {
    this.over = true;
    this.held.forget();
    this.wake();
  }

  drain(lines: FeedbackLines): void {
    this.scheduled = false;
    if (this.over) return;
    const { format } = this.options;
    const { ending } = this;
    if (this.accepting && this.made === 0 && this.held.size === 0) this.send(lines, format.accepted(), []);
    this.accepting = false;
    const endsWell = ending?.kind === 'end';
    while (this.held.size > 0 && this.made < this.credit) {
      const answers = this.held.takeSharing(this.credit - this.made);
      this.over = endsWell && this.held.size === 0;
      this.send(lines, this.over ? format.end(answers) : format.response(answers), answers);
    }
    if (ending && !this.over && this.held.size <= (endsWell ? 1 : 0)) {
      // The last answer rides on the end, for which no credit is needed.
      const last = this.held.take();
      const answers = last === undefined ? [] : [last];
      const frames = ending.kind === 'end' ? format.end(answers) : [format.endWithError(ending.text, ending.details)];
      this.send(lines, frames, answers);
      this.over = true;
    }
  }

  private send(lines: FeedbackLines, frames: readonly string[], answers: readonly string[]): void {
    for (const frame of frames) lines.add('frame', frame);
    const numbers = answers.length || 1;
    this.made += numbers;
    this.underWay += numbers;
    for (const { length } of answers) this.bytesUnderWay += length;
  }

  written(result: WriteResult | StreambackError): void {
    this.options.writer.pending.remove(this.bytesUnderWay);
    this.underWay = this.bytesUnderWay = 0;
    if (result === 'gone') this.options.onGone(new StreambackAbortError('CLIENT_LOST', "The client's inbox is gone"));
    else if (result !== 'written') {
      this.failure = result;
      this.held.forget();
    }
    this.wake();
  }

  private endStored(ending: Ending): Promise<void> {
    return new Promise((resolve, reject) => this.finishWith(ending, (failure) => (failure ? reject(failure.error) : resolve())));
  }

  private finishWith(ending: Ending, stored: Stored): void {
    if (!this.ending && !this.over) {
      this.ending = ending;
      this.schedule();
    }
    this.stored = stored;
    this.tellStored();
  }

  private tellStored(): void {
    const { stored } = this;
    if (!stored || !this.isFlushed()) return;
    this.stored = undefined;
    stored(this.failure && { error: this.failure });
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.options.writer.schedule(this.options.target, this);
  }

  private hasRoom(): boolean {
    const answers = this.held.size + this.underWay;
    const bytes = this.held.bytes + this.bytesUnderWay;
    return (
      this.over ||
      (answers < MAX_UNWRITTEN &&
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

  private isFlushed(): boolean {
    return this.held.size === 0 && !this.scheduled && this.underWay === 0;
  }

  private change(done: () => boolean): Promise<void> {
    return new Promise((resolve) => this.when(done, resolve));
  }

  /** Calls `then` once `done` is true. */
  private when(done: () => boolean, then: () => void): void {
    if (done()) return then();
    const look = (): void => this.when(done, then);
    if (this.waiters) this.waiters.push(look);
    else this.waiters = [look];
  }

  private wake(): void {
    const { waiters } = this;
    this.waiters = undefined;
    if (waiters) for (const wake of waiters) wake();
    this.tellStored();
  }
}
