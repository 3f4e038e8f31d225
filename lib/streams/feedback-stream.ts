import type { StreamStatus } from './main-stream';
import type { ScheduleStore } from './schedule-store';

/** What the fields of an inbox entry are: frames for a lane, or control for a handler. */
export type InboxField = 'frame' | 'control';

/** One value on its way to, or from, an inbox. */
export interface InboxItem {
  readonly field: InboxField;
  readonly value: Buffer;
}

export interface InboxReaderOptions {
  /** The inbox's key, of the form `streamback_inbox_<uuid>`. */
  readonly inbox: string;
  /** Life of the inbox after its last renewal, in ms (F3). */
  readonly ttlMs: number;
  /** Life of the lease beside it between renewals, in ms. The reader renews both a few times in each lease. */
  readonly leaseMs: number;
  /** Takes what arrived in one read, in the order it was written. Must not throw. */
  readonly onItems: (items: readonly InboxItem[]) => void;
  /** The inbox, with what was in it, is gone for good (the server was emptied or failed over). The reader has stopped. */
  readonly onLost: () => void;
}

/** The reading end of an inbox; exists from the resolved `openReader` until `close`. */
export interface InboxReader {
  /** Stops reading; deletes the inbox and its lease. Idempotent. */
  close(): Promise<void>;
}

export interface ListReaderOptions {
  /** A key of the form `streamback_feedback_<tail>`. */
  readonly feedbackTopic: string;
  /** Takes the popped frames in order. Must not throw. */
  readonly onFrames: (frames: readonly Buffer[]) => void;
  /** The connection was cut inside a pop: frames may have been taken and lost. Reading goes on. */
  readonly onUncertain: () => void;
}

export interface FeedbackStreamCapabilities {
  /** Python's own form: frames in a list that any process may pop. */
  readonly lists: boolean;
  /** What is written survives a cut connection of its reader. */
  readonly durable: boolean;
  /**
   * The bytes that `write` and `writeList` are given are not read any more once they have resolved: their memory may be used again. It never
   * is where one of them has rejected.
   * @default false
   */
  readonly copies?: boolean;
}

/** `'gone'`: the inbox does not exist any more, nothing was written, and it will never exist again. */
export type WriteResult = 'written' | 'gone';

/**
 * Carries answers back to one producer, and control to one consumer. The numbered promises (F1-F7) are those of
 * docs/guarantees.md; `testFeedbackStream` of `nestjs-streamback/testing` holds an implementation to them.
 *
 * Keys are validated by the caller (`isInbox`, `isFeedbackTopic`): an adapter may trust the ones it is given.
 */
export interface FeedbackStream {
  /** The system, for logs and errors: `redis`, `memory`. */
  readonly name: string;
  readonly capabilities: FeedbackStreamCapabilities;
  /** Connects what writing needs. Idempotent. @throws StreambackConnectionError */
  connect(): Promise<void>;
  /** Creates the inbox and its lease, and reads it. Resolves when what is written from now on is received. */
  openReader(options: InboxReaderOptions): Promise<InboxReader>;
  /**
   * Writes items to an inbox in one step, after those of earlier calls for the same inbox. Resolves when they are stored. May
   * write them twice when the connection is cut (frames carry `seq`).
   * @throws StreambackConnectionError FEEDBACK_UNWRITABLE, CLOSED
   */
  write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult>;
  /**
   * Appends frames to a feedback list in order, in one step with its expiry (F3). Python's own form.
   * @param ttlMs life of the list after this write
   * @throws StreambackConnectionError FEEDBACK_UNWRITABLE, CLOSED
   */
  writeList?(feedbackTopic: string, frames: readonly Buffer[], ttlMs: number): Promise<void>;
  /** Which of these feedback lists hold frames. */
  filledLists?(feedbackTopics: readonly string[]): Promise<ReadonlySet<string>>;
  /** Pops the frames of a feedback list as they come. All lists share one connection. */
  openListReader?(options: ListReaderOptions): Promise<{ close(): Promise<void> }>;
  /**
   * Which of these inboxes have a process that lives. One is left out when it does not exist any more, or when its lease is missing and
   * this stream's own connection has been up for a whole `leaseMs`, so that an outage is not taken for a death.
   */
  alive(inboxes: readonly string[], leaseMs: number): Promise<ReadonlySet<string>>;
  /**
   * Marks requests as not wanted any more, for consumers that have not started them.
   * @param ttlMs life of the marks
   */
  cancel(ids: readonly string[], ttlMs: number): Promise<void>;
  /** Which of these requests are marked. */
  cancelled(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Where the processes of a group agree on who sends what is due; schedules need it. */
  readonly schedules?: ScheduleStore;
  /** Called with each change; the first call comes at once. Returns a function that ends it. */
  onStatus(listener: (status: StreamStatus) => void): () => void;
  /** Frees everything. Idempotent. Readers are closed before. */
  close(): Promise<void>;
  /** The driver's own objects, for what the contract does not cover. */
  unwrap(): unknown;
}
