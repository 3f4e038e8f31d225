import { backoffDelayMs } from '../common/backoff';
import { SYSTEM_CLOCK, type Clock } from '../common/clock';
import { PendingBytes } from '../common/pending-bytes';
import { SpareBuffers } from '../common/spare-buffers';
import { StreambackError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { outsideOfCalls } from '../context/call-context';
import type { FeedbackStream, InboxItem, WriteResult } from '../streams/feedback-stream';
import { FeedbackLines } from './feedback-lines';

/** Where frames go: an inbox, or a feedback list in Python's form. */
export interface FeedbackTarget {
  readonly form: 'inbox' | 'list';
  readonly key: string;
}

/** Has something to write to a target. */
export interface FeedbackSource {
  /** Called once a flush: adds what there is to write. */
  drain(lines: FeedbackLines): void;
  /** What was drained last is stored, or its target is gone, or (an error) it will never be written. */
  written(result: WriteResult | StreambackError): void;
}

const CLOSE_TIMEOUT_MS = 500;
/** Single items that may wait, for all targets: what a server that is away can cost. */
const MAX_SENDING = 10_000;
/** Kept for the next writes, at most: together, and each. Items are no larger but for those that are one line. */
const MAX_SPARE_BYTES = 8_388_608;
const LARGEST_SPARE_BYTES = 524_288;
const RETRY = { delayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.2 };

/** What waits to be written to one target: one write is under way at a time and the next gathers behind it, so that order stays whatever fails. */
interface Channel {
  readonly target: FeedbackTarget;
  sources: Set<FeedbackSource>;
}

/** What sources had to write, as bytes alone: text would outlive the write by far, as what lives that long is collected late. */
interface Write {
  /** Tried again, it writes the same. */
  readonly store: () => Promise<WriteResult>;
  readonly values: readonly Buffer[];
}

/** Gathers what the whole connection writes to feedback streams: one write a target and tick. */
export class FeedbackWriter {
  private readonly channels = new Map<string, Channel>();
  private due: Channel[] = [];
  private failing = 0;
  private closed = false;
  private idle?: () => void;
  private sending = 0;
  /** Memory of what is written; nothing where the stream may keep it. */
  private readonly spare: SpareBuffers | undefined;
  /** What its sources have to write and is not stored yet; they count themselves. */
  readonly pending: PendingBytes;

  constructor(
    private readonly feedback: FeedbackStream,
    private readonly listTtlMs: number,
    private readonly logger: StreambackLogger,
    private readonly clock: Clock = SYSTEM_CLOCK,
    maxPendingBytes = Infinity,
  ) {
    this.pending = new PendingBytes(maxPendingBytes);
    if (feedback.capabilities.copies) this.spare = new SpareBuffers(MAX_SPARE_BYTES, LARGEST_SPARE_BYTES);
  }

  /** Whether a server is behind, or away: some write is tried again. */
  get isFailing(): boolean {
    return this.failing > 0;
  }

  /** Has `source` drained at the end of this tick, or once the write under way for this target has ended. */
  schedule(target: FeedbackTarget, source: FeedbackSource): void {
    const known = this.channels.get(target.key);
    if (known) {
      known.sources.add(source);
      return;
    }
    const channel: Channel = { target, sources: new Set([source]) };
    this.channels.set(target.key, channel);
    if (this.due.push(channel) === 1) setImmediate(this.flush);
  }

  /**
   * Writes control; a failure is not reported, as it is sent again or not needed.
   * @param written called when it is stored, or never will be
   * @returns false where too many wait already
   */
  send(target: FeedbackTarget, control: string, written: () => void = () => {}): boolean {
    if (this.sending >= MAX_SENDING) return false;
    this.sending += 1;
    this.schedule(target, {
      drain: (lines) => lines.add('control', control),
      written: () => {
        this.sending -= 1;
        written();
      },
    });
    return true;
  }

  /** Ends retries, and waits a moment for what is under way, a last cancel for instance. Never rejects. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.channels.size === 0) return;
    let timer: unknown;
    await Promise.race([
      new Promise<void>((resolve) => (this.idle = resolve)),
      new Promise<void>((resolve) => (timer = this.clock.setTimeout(resolve, CLOSE_TIMEOUT_MS))),
    ]);
    this.clock.clearTimeout(timer);
  }

  /** A source that is told goes on with what comes next: in the context of nobody, rather than of the handler that wrote first. */
  private readonly flush = (): void =>
    outsideOfCalls(() => {
      const channels = this.due;
      this.due = [];
      for (const channel of channels) void this.empty(channel);
    });

  /** Never rejects. */
  private async empty(channel: Channel): Promise<void> {
    while (channel.sources.size > 0) {
      const { sources } = channel;
      channel.sources = new Set();
      const write = this.drained(channel.target, sources);
      const result = write ? await this.write(write) : 'written';
      for (const source of sources) this.tell(source, result);
    }
    this.channels.delete(channel.target.key);
    if (this.channels.size === 0) this.idle?.();
  }

  /** What one makes of it must not keep the others from hearing. */
  private tell(source: FeedbackSource, result: WriteResult | StreambackError): void {
    try {
      source.written(result);
    } catch (error) {
      this.logger.error(`What was told of its answers failed: ${String(error)}`);
    }
  }

  private async write({ store, values }: Write): Promise<WriteResult | StreambackError> {
    let result: WriteResult;
    try {
      result = await store();
    } catch (error) {
      return this.retry(store, error as StreambackError);
    }
    // What has failed once may still be on its way, whatever its next try says.
    if (this.spare) for (const value of values) this.spare.giveBack(value);
    return result;
  }

  private async retry(store: () => Promise<WriteResult>, first: StreambackError): Promise<WriteResult | StreambackError> {
    let error = first;
    // Loud for the first of many targets, quiet for the rest: one server serves them all.
    const meanwhile = error.retryable ? ', trying again' : '';
    if (this.failing++ === 0) this.logger.error(`Answers cannot be written${meanwhile}: ${error.message}`);
    try {
      for (let attempt = 1; error.retryable && !this.closed; attempt++) {
        await new Promise<void>((resolve) => this.clock.setTimeout(resolve, backoffDelayMs(attempt, RETRY)));
        try {
          return await store();
        } catch (again) {
          error = again as StreambackError;
        }
      }
      return error;
    } finally {
      this.failing -= 1;
    }
  }

  /** Takes what sources have to write, if that is anything. */
  private drained({ form, key }: FeedbackTarget, sources: Iterable<FeedbackSource>): Write | undefined {
    const lines = new FeedbackLines();
    for (const source of sources) source.drain(lines);
    if (lines.isEmpty) return undefined;
    const { spare } = this;
    const bytesOf = spare && ((text: string) => spare.encode(text));
    return form === 'inbox' ? this.writeOfItems(key, lines.items(bytesOf)) : this.writeOfFrames(key, lines.frames(bytesOf));
  }

  private writeOfItems(inbox: string, items: readonly InboxItem[]): Write {
    return { store: () => this.feedback.write(inbox, items), values: items.map(({ value }) => value) };
  }

  private writeOfFrames(list: string, frames: readonly Buffer[]): Write {
    const store = async (): Promise<WriteResult> => {
      await this.feedback.writeList!(list, frames, this.listTtlMs);
      return 'written';
    };
    return { store, values: frames };
  }
}
