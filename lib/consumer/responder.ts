import { StreambackAbortError, StreambackError, StreambackPublishError } from '../common/errors';
import type { FeedbackSource, FeedbackTarget, FeedbackWriter } from '../inbox/feedback-writer';
import type { ErrorDetails } from '../protocol/frame';
import { toJson } from '../protocol/json';
import type { InboxItem, WriteResult } from '../streams/feedback-stream';
import type { FrameFormat } from './frame-format';

/** Frames, and bytes, that may be on their way to the feedback stream before {@link Responder.room} makes a pulling handler wait. */
const MAX_UNWRITTEN = 256;
const MAX_UNWRITTEN_BYTES = 1_000_000;

interface Load {
  frames: number;
  /** About: characters of JSON. */
  bytes: number;
}

const nothing = (): Load => ({ frames: 0, bytes: 0 });

export interface ResponderOptions {
  readonly target: FeedbackTarget;
  readonly format: FrameFormat;
  readonly writer: FeedbackWriter;
  /** Names the request in errors. */
  readonly pattern: string;
  readonly maxAnswerBytes: number;
  /** Nobody reads any more. */
  readonly onGone: (reason: StreambackAbortError) => void;
}

/** Writes the answers of one run. The last answer waits for the end of the tick, so that the end may ride on it. */
export class Responder implements FeedbackSource {
  private frames: Buffer[] = [];
  private lastJson: string | undefined;
  private ending: 'no' | 'asked' | 'drained' = 'no';
  /** What was written since the last drain, what each drain took that is not known to be stored yet, and all of it together. */
  private pending = nothing();
  private readonly underWay: Load[] = [];
  private readonly unwritten = nothing();
  private failure: StreambackError | undefined;
  private waiters: (() => void)[] = [];

  constructor(private readonly options: ResponderOptions) {}

  /** Takes one answer. @throws StreambackPublishError NOT_SERIALIZABLE, TOO_LARGE; what keeps earlier answers from being stored */
  write(value: unknown): void {
    if (this.ending !== 'no') return;
    if (this.failure) throw this.failure;
    const { pattern, maxAnswerBytes, format } = this.options;
    const json = toJson(value, `An answer of '${pattern}'`);
    // A UTF-16 unit is at most three bytes: only what may pass the limit is counted exactly.
    if (json.length * 3 > maxAnswerBytes && Buffer.byteLength(json) > maxAnswerBytes) {
      throw new StreambackPublishError(
        'TOO_LARGE',
        `An answer of '${pattern}' has ${Buffer.byteLength(json)} bytes, maxAnswerBytes allows ${maxAnswerBytes}`,
      );
    }
    if (this.lastJson !== undefined) this.frames.push(format.response(this.lastJson));
    this.lastJson = json;
    this.schedule(json.length);
  }

  /** Nothing while there is room for a further answer, else a promise of room. */
  room(): Promise<void> | undefined {
    return this.hasRoom() ? undefined : this.change(() => this.hasRoom());
  }

  /** Resolves when all that was written so far is stored, or will never be. */
  flushed(): Promise<void> {
    return this.change(() => this.unwritten.frames === 0);
  }

  /** Writes the end; resolves when it is stored. @throws StreambackError when it cannot be */
  end(): Promise<void> {
    if (this.ending === 'no') {
      this.ending = 'asked';
      this.schedule(0);
    }
    return this.stored();
  }

  /** Writes the end with an error; resolves when it is stored. @throws StreambackError when it cannot be */
  endWithError(error: string, details: ErrorDetails): Promise<void> {
    if (this.ending === 'no') {
      if (this.lastJson !== undefined) this.frames.push(this.options.format.response(this.lastJson));
      this.lastJson = undefined;
      this.frames.push(this.options.format.endWithError(error, details));
      this.ending = 'drained';
      this.schedule(0);
    }
    return this.stored();
  }

  /** What comes from now on is dropped. */
  abandon(): void {
    this.ending = 'drained';
    this.frames = [];
    this.lastJson = undefined;
    this.discharge(this.pending);
    this.pending = nothing();
    this.wake();
  }

  drain(items: InboxItem[]): void {
    for (const frame of this.frames) items.push({ field: 'frame', value: frame });
    this.frames = [];
    const { format } = this.options;
    if (this.ending === 'asked') {
      for (const frame of format.end(this.lastJson)) items.push({ field: 'frame', value: frame });
      this.ending = 'drained';
    } else if (this.lastJson !== undefined) items.push({ field: 'frame', value: format.response(this.lastJson) });
    this.lastJson = undefined;
    this.underWay.push(this.pending);
    this.pending = nothing();
  }

  written(result: WriteResult | StreambackError): void {
    this.discharge(this.underWay.shift());
    if (result === 'gone') this.options.onGone(new StreambackAbortError('CLIENT_LOST', "The client's inbox is gone"));
    else if (result !== 'written') this.failure = result;
    this.wake();
  }

  private async stored(): Promise<void> {
    await this.flushed();
    if (this.failure) throw this.failure;
  }

  private schedule(bytes: number): void {
    if (this.pending.frames === 0) this.options.writer.schedule(this.options.target, this);
    for (const load of [this.pending, this.unwritten]) {
      load.frames += 1;
      load.bytes += bytes;
    }
  }

  private discharge(load: Load | undefined): void {
    this.unwritten.frames -= load?.frames ?? 0;
    this.unwritten.bytes -= load?.bytes ?? 0;
  }

  private hasRoom(): boolean {
    return this.unwritten.frames < MAX_UNWRITTEN && this.unwritten.bytes < MAX_UNWRITTEN_BYTES;
  }

  private change(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (done()) resolve();
        else this.waiters.push(check);
      };
      check();
    });
  }

  private wake(): void {
    if (this.waiters.length === 0) return;
    for (const wake of this.waiters.splice(0)) wake();
  }
}
