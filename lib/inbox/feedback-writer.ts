import { backoffDelayMs } from '../common/backoff';
import { SYSTEM_CLOCK, type Clock } from '../common/clock';
import { StreambackError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import type { FeedbackStream, InboxItem, WriteResult } from '../streams/feedback-stream';

/** Where frames go: an inbox, or a feedback list in Python's form. */
export interface FeedbackTarget {
  readonly form: 'inbox' | 'list';
  readonly key: string;
}

/** Has something to write to a target. */
export interface FeedbackSource {
  /** Called once a flush: appends what there is to write. */
  drain(items: InboxItem[]): void;
  /** What was drained last is stored, or its target is gone, or (an error) it will never be written. */
  written(result: WriteResult | StreambackError): void;
}

const RETRY = { delayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.2 };

/** Gathers what the whole connection writes to feedback streams: one write a target and tick. */
export class FeedbackWriter {
  private readonly dirty = new Map<string, { target: FeedbackTarget; sources: Set<FeedbackSource> }>();
  /** Targets whose last write failed: the next writes wait behind it, so that order stays. */
  private readonly blocked = new Map<string, Promise<unknown>>();
  private scheduled = false;
  private closed = false;

  constructor(
    private readonly feedback: FeedbackStream,
    private readonly listTtlMs: number,
    private readonly logger: StreambackLogger,
    private readonly clock: Clock = SYSTEM_CLOCK,
  ) {}

  /** Has `source` drained at the end of this tick. */
  schedule(target: FeedbackTarget, source: FeedbackSource): void {
    const batch = this.dirty.get(target.key);
    if (batch) batch.sources.add(source);
    else this.dirty.set(target.key, { target, sources: new Set([source]) });
    if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(this.flush);
    }
  }

  /** Writes one item; a failure is not reported, as for control, which is sent again or not needed. */
  send(target: FeedbackTarget, item: InboxItem): void {
    this.schedule(target, { drain: (items) => void items.push(item), written: () => {} });
  }

  /** Ends retries; what is still unwritten is told so. */
  close(): void {
    this.closed = true;
  }

  private readonly flush = (): void => {
    this.scheduled = false;
    const batches = [...this.dirty.values()];
    this.dirty.clear();
    for (const { target, sources } of batches) {
      const items: InboxItem[] = [];
      for (const source of sources) source.drain(items);
      if (items.length > 0) void this.deliver(target, items, sources);
      else for (const source of sources) source.written('written');
    }
  };

  private async deliver(target: FeedbackTarget, items: readonly InboxItem[], sources: ReadonlySet<FeedbackSource>): Promise<void> {
    const before = this.blocked.get(target.key);
    if (before) await before;
    let result: WriteResult | StreambackError;
    try {
      result = await this.write(target, items);
    } catch (error) {
      const retrying = this.retry(target, items, error as StreambackError);
      this.blocked.set(target.key, retrying);
      result = await retrying;
      if (this.blocked.get(target.key) === retrying) this.blocked.delete(target.key);
    }
    for (const source of sources) source.written(result);
  }

  private async retry(target: FeedbackTarget, items: readonly InboxItem[], first: StreambackError): Promise<WriteResult | StreambackError> {
    let error = first;
    this.logger.error(`Answers cannot be written, trying again: ${error.message}`);
    for (let attempt = 1; error.retryable && !this.closed; attempt++) {
      await new Promise<void>((resolve) => this.clock.setTimeout(resolve, backoffDelayMs(attempt, RETRY)));
      try {
        return await this.write(target, items);
      } catch (again) {
        error = again as StreambackError;
      }
    }
    return error;
  }

  private async write({ form, key }: FeedbackTarget, items: readonly InboxItem[]): Promise<WriteResult> {
    if (form === 'inbox') return this.feedback.write(key, items);
    await this.feedback.writeList!(key, items.map((item) => item.value), this.listTtlMs);
    return 'written';
  }
}
