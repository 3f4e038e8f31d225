import type { FeedbackStream, InboxItem, InboxReader, InboxReaderOptions, WriteResult } from '../../lib/streams/feedback-stream';
import { MemoryFeedbackStream } from '../../lib/streams/memory/memory.feedback-stream';

export interface RecordedWrite {
  readonly key: string;
  readonly texts: readonly string[];
  readonly ttlMs?: number;
  settle(result: WriteResult | Error): void;
}

/** A memory stream whose writes wait until a test settles them, and whose readers a test can lose. */
export class ScriptedFeedbackStream extends MemoryFeedbackStream implements FeedbackStream {
  readonly writes: RecordedWrite[] = [];
  readonly readers: InboxReaderOptions[] = [];
  /** What `openReader` waits for before it resolves. */
  opening: Promise<void> = Promise.resolve();
  connectFailures: Error[] = [];
  private wake: () => void = () => {};

  override async connect(): Promise<void> {
    const failure = this.connectFailures.shift();
    if (failure) throw failure;
  }

  override async openReader(options: InboxReaderOptions): Promise<InboxReader> {
    const { opening } = this;
    this.readers.push(options);
    const reader = await super.openReader(options);
    await opening;
    return reader;
  }

  override write(key: string, items: readonly InboxItem[]): Promise<WriteResult> {
    return this.record(
      key,
      items.flatMap(({ value }) => value.toString().split('\n')),
    );
  }

  override async writeList(key: string, frames: readonly Buffer[], ttlMs: number): Promise<void> {
    await this.record(key, frames.map(String), ttlMs);
  }

  /** Resolves with write number `count`, from 1. */
  async untilWrite(count: number): Promise<RecordedWrite> {
    while (this.writes.length < count) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.writes[count - 1]!;
  }

  private record(key: string, texts: readonly string[], ttlMs?: number): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      const settle = (result: WriteResult | Error): void => (result instanceof Error ? reject(result) : resolve(result));
      this.writes.push({ key, texts, settle, ...(ttlMs !== undefined && { ttlMs }) });
      this.wake();
    });
  }
}
