import { setTimeout as pause } from 'node:timers/promises';
import { backoffDelayMs } from '../../common/backoff';
import type { StreambackLogger } from '../../common/logger';
import type { ListReaderOptions } from '../feedback-stream';
import type { RedisConnection } from './redis.connection';
import { isReplyError, messageOf } from './redis.errors';
import { newWakeKey } from './redis.keys';
import { RedisListPop, type Popped } from './redis.list-pop';
import { runTransaction } from './redis.transaction';

const RETRY = { delayMs: 50, factor: 2, maxDelayMs: 2_000, jitter: 0.2 };
/** What a pop took for a reader that had closed is put back for so long, in ms: the list's own expiry went with its last frame. */
const RETURNED_TTL_MS = 300_000;
const WAKE_TTL_MS = 60_000;

interface OpenList {
  readonly options: ListReaderOptions;
  closed: boolean;
}

/** Pops all feedback lists of a stream over one connection, which is opened with the first of them. */
export class RedisListReader {
  private readonly lists = new Map<string, OpenList[]>();
  private readonly wakeKey = newWakeKey();
  private connection: RedisConnection | undefined;
  private running: Promise<void> | undefined;
  /** The keys of the pop that is under way; empty between pops. */
  private popping: readonly string[] = [];
  private popEnd: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();

  constructor(
    private readonly writing: RedisConnection,
    private readonly createConnection: () => RedisConnection,
    private readonly logger: StreambackLogger,
  ) {}

  /** @see FeedbackStream.openListReader */
  async open(options: ListReaderOptions): Promise<{ close(): Promise<void> }> {
    this.connection ??= this.newConnection();
    await Promise.all([this.writing.connect(), this.connection.connect()]);
    const list: OpenList = { options, closed: false };
    const same = this.lists.get(options.feedbackTopic);
    if (same) same.push(list);
    else this.lists.set(options.feedbackTopic, [list]);
    if (!this.running) this.running = this.run(this.connection);
    else if (!same) this.wake();
    return { close: () => this.closeList(list) };
  }

  /** Stops. A pop that is under way may have taken frames: as with any reader that goes. */
  async close(): Promise<void> {
    this.stopping.abort();
    this.lists.clear();
    await this.connection?.close('now');
    await this.running;
  }

  private newConnection(): RedisConnection {
    const connection = this.createConnection();
    connection.onCut(() => this.uncertain());
    return connection;
  }

  /** The pop under way may have taken frames that never arrived. */
  private uncertain(): void {
    for (const key of this.popping) {
      for (const { options } of this.lists.get(key) ?? []) options.onUncertain();
    }
  }

  private async closeList(list: OpenList): Promise<void> {
    const { feedbackTopic } = list.options;
    if (list.closed) return;
    list.closed = true;
    const others = this.lists.get(feedbackTopic)?.filter((other) => other !== list) ?? [];
    if (others.length > 0) {
      this.lists.set(feedbackTopic, others);
      return;
    }
    this.lists.delete(feedbackTopic);
    // Only when no pop names it any more can another process read on. An outage is not waited for.
    if (!this.popping.includes(feedbackTopic) || !this.connection?.isReady || this.stopping.signal.aborted) return;
    this.wake();
    await this.popEnd;
  }

  /** Ends the pop under way, so that the next one is of the lists as they are now. */
  private wake(): void {
    runTransaction(this.writing, (transaction) => transaction.lpush(this.wakeKey, '1').pexpire(this.wakeKey, WAKE_TTL_MS)).catch(
      (error: unknown) => {
        if (!this.stopping.signal.aborted) this.logger.debug(`A pop of feedback lists was not woken: ${messageOf(error)}`);
      },
    );
  }

  private async run(connection: RedisConnection): Promise<void> {
    const { signal } = this.stopping;
    const pop = new RedisListPop(connection);
    let turn = 0;
    for (let failures = 0; !signal.aborted;) {
      const topics = [...this.lists.keys()];
      // Redis takes from the first list that has something: turns, or a busy list would starve the others.
      turn = topics.length === 0 ? 0 : (turn + 1) % topics.length;
      const keys = [this.wakeKey, ...topics.slice(turn), ...topics.slice(0, turn)];
      let ended!: () => void;
      this.popEnd = new Promise((resolve) => (ended = resolve));
      this.popping = keys;
      try {
        const popped = await pop.next(keys);
        this.popping = [];
        if (popped && popped.key !== this.wakeKey) await this.deliver(popped);
        failures = 0;
      } catch (error) {
        if (!signal.aborted) {
          if (!isReplyError(error)) this.uncertain();
          this.popping = [];
          failures += 1;
          if (failures === 1) this.logger.error(`Feedback lists cannot be popped, trying again: ${messageOf(error)}`);
          await pause(backoffDelayMs(failures, RETRY), undefined, { signal }).catch(() => {});
        }
      } finally {
        ended();
      }
    }
  }

  private async deliver({ key, values }: Popped): Promise<void> {
    const readers = this.lists.get(key);
    const [reader] = readers ?? [];
    if (readers && reader) {
      // Readers of one list share it out, as two processes would.
      if (readers.length > 1) this.lists.set(key, [...readers.slice(1), reader]);
      reader.options.onFrames(values);
      return;
    }
    await runTransaction(this.writing, (transaction) => transaction.rpush(key, ...values.toReversed()).pexpire(key, RETURNED_TTL_MS));
  }
}
