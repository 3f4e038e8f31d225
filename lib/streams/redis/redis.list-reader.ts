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
const NONE: ReadonlySet<string> = new Set();

interface OpenList {
  readonly options: ListReaderOptions;
  closed: boolean;
}

/**
 * Pops all feedback lists of a stream over one connection, which is opened with the first of them. A pop that waits gives from one list
 * only, and costs the server all that it names: so what is there is taken first, from many lists in a round trip, and only then waited for.
 */
export class RedisListReader {
  private readonly lists = new Map<string, OpenList[]>();
  private readonly wakeKey = newWakeKey();
  private connection: RedisConnection | undefined;
  private running: Promise<void> | undefined;
  /** The keys of the pop that is under way; empty between pops. */
  private popping: ReadonlySet<string> = NONE;
  /** The pop under way waits for frames. */
  private isWaiting = false;
  /** It was told to end. */
  private isWoken = false;
  private turn = 0;
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
    connection.onBack(() => this.wakeAgain());
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
    if (!this.popping.has(feedbackTopic) || !this.connection?.isReady || this.stopping.signal.aborted) return;
    this.wake();
    await this.popEnd;
  }

  /** Ends the pop under way where it waits, so that the next one is of the lists as they are now. */
  private wake(): void {
    if (!this.isWaiting || this.isWoken) return;
    this.isWoken = true;
    runTransaction(this.writing, (transaction) => transaction.lpush(this.wakeKey, '1').pexpire(this.wakeKey, WAKE_TTL_MS)).catch(
      (error: unknown) => {
        if (!this.stopping.signal.aborted) this.logger.debug(`A pop of feedback lists was not woken: ${messageOf(error)}`);
      },
    );
  }

  /** The pop that waits is sent again after a cut, as it was; what told it to end may have gone with its answer. */
  private wakeAgain(): void {
    this.isWoken = false;
    this.wake();
  }

  private async run(connection: RedisConnection): Promise<void> {
    const { signal } = this.stopping;
    const pop = new RedisListPop(connection);
    for (let failures = 0; !signal.aborted;) {
      try {
        if (!(await this.takeAll(pop))) await this.waitForOne(pop);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        if (failures === 1) this.logger.error(`Feedback lists cannot be popped, trying again: ${messageOf(error)}`);
        await pause(backoffDelayMs(failures, RETRY), undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Takes what is there. Returns whether anything was; a single list is left to the pop that waits. */
  private async takeAll(pop: RedisListPop): Promise<boolean> {
    if (this.lists.size < 2) return false;
    const topics = [...this.lists.keys()];
    // Redis takes from the first list that has something: turns, or a busy list would starve the others.
    this.turn = (this.turn + 1) % topics.length;
    const inTurn = [...topics.slice(this.turn), ...topics.slice(0, this.turn)];
    return this.popped(topics, async () => {
      const { popped, failure } = await pop.sweep(inTurn);
      await Promise.all(popped.map((each) => this.deliver(each)));
      if (failure !== undefined) throw failure;
      return popped.length > 0;
    });
  }

  private async waitForOne(pop: RedisListPop): Promise<void> {
    const topics = [...this.lists.keys()];
    this.isWaiting = true;
    this.isWoken = false;
    await this.popped(topics, async () => {
      const popped = await pop.next([this.wakeKey, ...topics]).finally(() => (this.isWaiting = false));
      if (!popped || popped.key === this.wakeKey) return;
      this.popping = NONE;
      await this.deliver(popped);
    });
  }

  /** Does `work`, which pops `topics`; where it fails without an answer of Redis', frames may be lost. */
  private async popped<Result>(topics: readonly string[], work: () => Promise<Result>): Promise<Result> {
    let ended!: () => void;
    this.popEnd = new Promise((resolve) => (ended = resolve));
    this.popping = new Set(topics);
    try {
      return await work();
    } catch (error) {
      if (!this.stopping.signal.aborted && !isReplyError(error)) this.uncertain();
      throw error;
    } finally {
      this.popping = NONE;
      ended();
    }
  }

  /** Never rejects: what was popped of other lists is still to be given. */
  private async deliver({ key, values }: Popped): Promise<void> {
    const readers = this.lists.get(key);
    const [reader] = readers ?? [];
    if (readers && reader) {
      // Readers of one list share it out, as two processes would.
      if (readers.length > 1) this.lists.set(key, [...readers.slice(1), reader]);
      reader.options.onFrames(values);
      return;
    }
    await runTransaction(this.writing, (transaction) => transaction.rpush(key, ...values.toReversed()).pexpire(key, RETURNED_TTL_MS)).catch(
      (error: unknown) => {
        if (!this.stopping.signal.aborted)
          this.logger.error(`${values.length} frames could not be put back into '${key}': ${messageOf(error)}`);
      },
    );
  }
}
