import type { Clock } from '../../common/clock';
import type { InboxItem, InboxReaderOptions, ListReaderOptions, WriteResult } from '../feedback-stream';

interface Inbox {
  readonly options: InboxReaderOptions;
  items: InboxItem[];
  expiresAt: number;
  leaseUntil: number;
  timer: unknown;
  /** As a broker's socket would: a process that waits for answers lives. */
  readonly keepAlive: NodeJS.Timeout;
}

interface List {
  frames: Buffer[];
  expiresAt: number;
}

/** What the streams of one memory name share. Hands over what a tick wrote together, after that tick. */
export class MemoryFeedbackStore {
  private readonly inboxes = new Map<string, Inbox>();
  private readonly lists = new Map<string, List>();
  /** Requests that are not wanted any more, until when. */
  private readonly marks = new Map<string, number>();
  private readonly listReaders = new Map<string, ListReaderOptions[]>();
  private readonly dirtyInboxes = new Set<Inbox>();
  private readonly dirtyLists = new Set<string>();
  private flushing: NodeJS.Immediate | undefined;
  private sweeping: unknown;

  constructor(private readonly clock: Clock) {}

  /** Returns what closes it again. */
  openInbox(options: InboxReaderOptions): () => void {
    const now = this.clock.now();
    const inbox: Inbox = {
      options,
      items: [],
      expiresAt: now + options.ttlMs,
      leaseUntil: now + options.leaseMs,
      timer: undefined,
      keepAlive: setInterval(() => {}, 2 ** 30),
    };
    this.inboxes.set(options.inbox, inbox);
    this.renewLater(inbox);
    return () => this.drop(inbox);
  }

  write(key: string, items: readonly InboxItem[]): WriteResult {
    const inbox = this.inboxes.get(key);
    if (!inbox || inbox.expiresAt <= this.clock.now()) return 'gone';
    for (const item of items) inbox.items.push(item);
    this.dirtyInboxes.add(inbox);
    this.flushLater();
    return 'written';
  }

  isAlive(key: string): boolean {
    const inbox = this.inboxes.get(key);
    return inbox !== undefined && inbox.leaseUntil > this.clock.now();
  }

  mark(id: string, ttlMs: number): void {
    const now = this.clock.now();
    // Marks of one process live equally long, so that the first are the first to go.
    for (const [old, until] of this.marks) {
      if (until > now) break;
      this.marks.delete(old);
    }
    this.marks.set(id, now + ttlMs);
  }

  isMarked(id: string): boolean {
    return (this.marks.get(id) ?? 0) > this.clock.now();
  }

  writeList(key: string, frames: readonly Buffer[], ttlMs: number): void {
    if (frames.length === 0) return;
    const list = this.liveList(key) ?? { frames: [], expiresAt: 0 };
    list.expiresAt = this.clock.now() + ttlMs;
    for (const frame of frames) list.frames.push(frame);
    this.lists.set(key, list);
    this.sweepLater();
    this.dirtyLists.add(key);
    this.flushLater();
  }

  isFilled(key: string): boolean {
    return (this.liveList(key)?.frames.length ?? 0) > 0;
  }

  /** Returns what closes it again. */
  openList(options: ListReaderOptions): () => void {
    const key = options.feedbackTopic;
    this.listReaders.set(key, [...(this.listReaders.get(key) ?? []), options]);
    this.dirtyLists.add(key);
    this.flushLater();
    return () => {
      const others = this.listReaders.get(key)?.filter((other) => other !== options) ?? [];
      if (others.length > 0) this.listReaders.set(key, others);
      else this.listReaders.delete(key);
    };
  }

  /** What it holds: nothing, after the last stream has closed. */
  get size(): number {
    return this.inboxes.size + this.lists.size + this.listReaders.size;
  }

  clear(): void {
    for (const inbox of [...this.inboxes.values()]) this.drop(inbox);
    this.lists.clear();
    this.listReaders.clear();
    clearImmediate(this.flushing);
    this.flushing = undefined;
    this.clock.clearTimeout(this.sweeping);
    this.sweeping = undefined;
  }

  private drop(inbox: Inbox): void {
    this.clock.clearTimeout(inbox.timer);
    clearInterval(inbox.keepAlive);
    this.dirtyInboxes.delete(inbox);
    if (this.inboxes.get(inbox.options.inbox) === inbox) this.inboxes.delete(inbox.options.inbox);
  }

  private renewLater(inbox: Inbox): void {
    const { ttlMs, leaseMs, onLost } = inbox.options;
    inbox.timer = this.clock.setTimeout(
      () => {
        const now = this.clock.now();
        if (inbox.expiresAt <= now) {
          this.drop(inbox);
          onLost();
          return;
        }
        inbox.expiresAt = now + ttlMs;
        inbox.leaseUntil = now + leaseMs;
        this.renewLater(inbox);
      },
      Math.min(ttlMs, leaseMs) / 3,
    );
  }

  private liveList(key: string): List | undefined {
    const list = this.lists.get(key);
    return list && list.expiresAt > this.clock.now() ? list : undefined;
  }

  /** Frees lists that nobody read in their time. */
  private sweepLater(): void {
    if (this.sweeping !== undefined) return;
    let next = Infinity;
    for (const { expiresAt } of this.lists.values()) next = Math.min(next, expiresAt);
    if (next === Infinity) return;
    this.sweeping = this.clock.setTimeout(
      () => {
        this.sweeping = undefined;
        for (const [key, { expiresAt }] of this.lists) if (expiresAt <= this.clock.now()) this.lists.delete(key);
        this.sweepLater();
      },
      Math.max(1, next - this.clock.now()),
    );
  }

  private flushLater(): void {
    // Not a microtask: two that answer each other would leave no turn to timers and sockets.
    this.flushing ??= setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    this.flushing = undefined;
    const inboxes = [...this.dirtyInboxes];
    this.dirtyInboxes.clear();
    for (const inbox of inboxes) {
      const { items } = inbox;
      inbox.items = [];
      // One that was handed its items before may have closed this one.
      if (this.inboxes.get(inbox.options.inbox) === inbox) inbox.options.onItems(items);
    }
    const keys = [...this.dirtyLists];
    this.dirtyLists.clear();
    for (const key of keys) this.flushList(key);
  };

  private flushList(key: string): void {
    const readers = this.listReaders.get(key);
    const [reader] = readers ?? [];
    const list = this.liveList(key);
    if (!readers || !reader || !list) return;
    // Readers of one list share it out, as two processes would.
    if (readers.length > 1) this.listReaders.set(key, [...readers.slice(1), reader]);
    this.lists.delete(key);
    reader.onFrames(list.frames);
  }
}
