import { SYSTEM_CLOCK, type Clock } from '../../common/clock';
import { StreambackConnectionError } from '../../common/errors';
import type {
  FeedbackStream,
  FeedbackStreamCapabilities,
  InboxItem,
  InboxReader,
  InboxReaderOptions,
  ListReaderOptions,
  WriteResult,
} from '../feedback-stream';
import type { StreamStatus } from '../main-stream';
import { MemoryFeedbackStore } from './memory.feedback-store';
import { MemoryScheduleStore } from './memory.schedule-store';

/** Stores by name, with the number of streams that use each: the last to close frees it. */
const stores = new Map<string, { readonly store: MemoryFeedbackStore; readonly schedules: MemoryScheduleStore; users: number }>();

/**
 * A feedback stream within this process: for development, tests, and apps that are one process. Of the same name, the same stream;
 * what it holds is gone when its last user has closed.
 */
export class MemoryFeedbackStream implements FeedbackStream {
  readonly name = 'memory';
  readonly capabilities: FeedbackStreamCapabilities = { lists: true, durable: true };
  readonly schedules: MemoryScheduleStore;
  private readonly storeName: string;
  private readonly store: MemoryFeedbackStore;
  private readonly listeners = new Set<(status: StreamStatus) => void>();
  private readonly open = new Set<{ close(): Promise<void> }>();
  private status: StreamStatus = 'connected';
  private closed = false;

  /**
   * @param name streams of one name in one process are the same stream
   * @param clock what lives and leases are counted by; of streams of one name, the first's
   */
  constructor(name = '', clock: Clock = SYSTEM_CLOCK) {
    const shared = stores.get(name) ?? { store: new MemoryFeedbackStore(clock), schedules: new MemoryScheduleStore(clock), users: 0 };
    shared.users += 1;
    stores.set(name, shared);
    this.storeName = name;
    this.store = shared.store;
    this.schedules = shared.schedules;
  }

  async connect(): Promise<void> {
    this.assertOpen();
  }

  async openReader(options: InboxReaderOptions): Promise<InboxReader> {
    await this.connect();
    return this.keep(this.store.openInbox(options));
  }

  async write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    this.assertOpen();
    return this.store.write(inbox, items);
  }

  async writeList(feedbackTopic: string, frames: readonly Buffer[], ttlMs: number): Promise<void> {
    this.assertOpen();
    this.store.writeList(feedbackTopic, frames, ttlMs);
  }

  async filledLists(feedbackTopics: readonly string[]): Promise<ReadonlySet<string>> {
    this.assertOpen();
    return new Set(feedbackTopics.filter((topic) => this.store.isFilled(topic)));
  }

  async openListReader(options: ListReaderOptions): Promise<{ close(): Promise<void> }> {
    await this.connect();
    return this.keep(this.store.openList(options));
  }

  async alive(inboxes: readonly string[], _leaseMs: number): Promise<ReadonlySet<string>> {
    this.assertOpen();
    return new Set(inboxes.filter((inbox) => this.store.isAlive(inbox)));
  }

  async cancel(ids: readonly string[], ttlMs: number): Promise<void> {
    this.assertOpen();
    for (const id of ids) this.store.mark(id, ttlMs);
  }

  async cancelled(ids: readonly string[]): Promise<ReadonlySet<string>> {
    this.assertOpen();
    return new Set(ids.filter((id) => this.store.isMarked(id)));
  }

  onStatus(listener: (status: StreamStatus) => void): () => void {
    const own = (status: StreamStatus): void => listener(status);
    this.listeners.add(own);
    listener(this.status);
    return () => void this.listeners.delete(own);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const reader of [...this.open]) await reader.close();
    const shared = stores.get(this.storeName);
    if (shared && --shared.users === 0) {
      stores.delete(this.storeName);
      shared.store.clear();
    }
    this.status = 'disconnected';
    for (const listener of [...this.listeners]) listener(this.status);
  }

  unwrap(): MemoryFeedbackStore {
    return this.store;
  }

  private keep(stop: () => void): { close(): Promise<void> } {
    const reader = {
      close: async (): Promise<void> => {
        if (this.open.delete(reader)) stop();
      },
    };
    this.open.add(reader);
    return reader;
  }

  private assertOpen(): void {
    if (this.closed) throw new StreambackConnectionError('CLOSED', `The feedback stream memory://${this.storeName} is closed`);
  }
}
