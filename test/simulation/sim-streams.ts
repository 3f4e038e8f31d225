import { StreambackConnectionError, StreambackPublishError } from '../../lib/common/errors';
import type {
  FeedbackStream,
  FeedbackStreamCapabilities,
  InboxItem,
  InboxReader,
  InboxReaderOptions,
  WriteResult,
} from '../../lib/streams/feedback-stream';
import type {
  MainStream,
  MainStreamCapabilities,
  MainStreamSubscribeOptions,
  MainStreamSubscription,
  OutgoingMessage,
  StreamStatus,
} from '../../lib/streams/main-stream';
import type { Broker, Placed } from './broker';
import type { DeliveryChecks } from './delivery-checks';
import type { FeedbackServer } from './feedback-server';
import { Member } from './member';
import type { Actor } from './world';

const PRODUCE_TRIES = 4;
const PRODUCE_TIMEOUT_MS = 250;

interface Waiting extends Placed {
  resolve(): void;
  reject(error: unknown): void;
}

const onStatus = (listener: (status: StreamStatus) => void): (() => void) => {
  listener('connected');
  return () => {};
};

/** A process's end of the main stream: one batch on its way at a time, sent again as it was where it may not have arrived. */
export class SimMainStream implements MainStream {
  readonly name = 'simulation';
  readonly capabilities: MainStreamCapabilities = { durable: true, keyOrder: true, rebalance: true, lag: false };
  member?: Member;
  private queue: Waiting[] = [];
  private sending = false;
  private closed = false;
  private idle: (() => void)[] = [];

  constructor(
    private readonly actor: Actor,
    private readonly broker: Broker,
    private readonly maxUncommitted: number,
    private readonly checks: DeliveryChecks,
  ) {}

  connect(): Promise<void> {
    return this.later(() => {});
  }

  publish(message: OutgoingMessage): Promise<void> {
    if (this.closed) return Promise.reject(new StreambackConnectionError('CLOSED', 'The main stream is closed'));
    return new Promise((resolve, reject) => {
      this.queue.push({ ...this.broker.place(message), resolve, reject });
      if (!this.sending) this.send();
    });
  }

  async subscribe(options: MainStreamSubscribeOptions): Promise<MainStreamSubscription> {
    const { actor, broker, maxUncommitted, checks } = this;
    this.member = new Member(actor, broker, broker.group(options.group), { ...options, maxUncommitted }, checks);
    await this.member.join();
    return this.member;
  }

  onStatus = onStatus;

  async close(): Promise<void> {
    this.closed = true;
    if (this.sending) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  unwrap(): unknown {
    return undefined;
  }

  private send(): void {
    this.sending = true;
    this.broker.world.after(0.1, this.actor, () => {
      const batch = this.queue;
      this.queue = [];
      this.try(batch, PRODUCE_TRIES);
    });
  }

  private try(batch: readonly Waiting[], tries: number): void {
    const { broker, actor } = this;
    const { world } = broker;
    world.after(broker.delay(), undefined, () => {
      const isFaulty = world.time < broker.faultyUntil;
      const isWritten = !broker.isAway && !(actor.dead && world.random.chance(0.5)) && !(isFaulty && world.random.chance(0.3));
      if (isWritten) for (const each of batch) broker.append(each);
      const isTold = isWritten && !(isFaulty && world.random.chance(0.4));
      world.after(isTold ? broker.delay() : world.random.between(1, PRODUCE_TIMEOUT_MS), actor, () => {
        if (!isTold && tries > 1) return this.try(batch, tries - 1);
        const error = new StreambackPublishError('PUBLISH_TIMEOUT', 'The broker did not acknowledge it in time');
        for (const each of batch)
          if (isTold) each.resolve();
          else each.reject(error);
        this.sending = this.queue.length > 0;
        if (this.sending) this.send();
        else for (const resolve of this.idle.splice(0)) resolve();
      });
    });
  }

  private later<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve) => void this.broker.world.after(this.broker.delay(), this.actor, () => resolve(work())));
  }
}

/** A process's end of the feedback stream. */
export class SimFeedbackStream implements FeedbackStream {
  readonly name = 'simulation';
  readonly capabilities: FeedbackStreamCapabilities = { lists: false, durable: true };
  private lastArrival = 0;
  private closed = false;

  constructor(
    private readonly actor: Actor,
    private readonly server: FeedbackServer,
  ) {}

  connect(): Promise<void> {
    return this.ask(() => {});
  }

  async openReader(options: InboxReaderOptions): Promise<InboxReader> {
    await this.ask(() => this.server.create(this.actor, options));
    let closing: Promise<void> | undefined;
    return {
      close: () => {
        this.server.world.note(this.actor.name, 'closes', options.inbox);
        // What is read on its way to being closed is dropped.
        closing ??= this.ask(() => this.server.delete(options.inbox)).catch(() => this.server.delete(options.inbox));
        return closing;
      },
    };
  }

  write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    const { server } = this;
    const { world } = server;
    return this.ask(() => {
      const isFaulty = world.time < server.faultyUntil;
      if (isFaulty && world.random.chance(0.2)) throw unwritable();
      const result = server.write(inbox, items);
      if (isFaulty && world.random.chance(0.2)) server.write(inbox, items);
      if (isFaulty && world.random.chance(0.2)) throw unwritable();
      return result;
    });
  }

  async alive(inboxes: readonly string[], leaseMs: number): Promise<ReadonlySet<string>> {
    if (this.closed) throw new StreambackConnectionError('CLOSED', 'The feedback stream is closed');
    try {
      return await this.ask(() => {
        const leasesCount = this.server.world.time - this.server.reachableFrom(this.actor) >= leaseMs;
        return new Set(
          inboxes.filter((inbox) => {
            const { exists, lease } = this.server.isAlive(inbox);
            return exists && (lease || !leasesCount);
          }),
        );
      });
    } catch {
      return new Set(inboxes);
    }
  }

  cancel(ids: readonly string[], ttlMs: number): Promise<void> {
    return this.ask(() => ids.forEach((id) => this.server.mark(id, ttlMs)));
  }

  cancelled(ids: readonly string[]): Promise<ReadonlySet<string>> {
    return this.ask(() => new Set(ids.filter((id) => this.server.isMarked(id))));
  }

  onStatus = onStatus;

  async close(): Promise<void> {
    this.closed = true;
  }

  unwrap(): unknown {
    return undefined;
  }

  /** Has the server do something, after what was asked before; fails where it is not reached, or waits until it is. */
  private ask<Result>(work: () => Result): Promise<Result> {
    const { world, broker } = this.server;
    return new Promise((resolve, reject) => {
      this.lastArrival = Math.max(this.lastArrival, world.time + broker.delay());
      const answer = (settle: () => void): void => void world.after(broker.delay(), this.actor, settle);
      const arrive = (): void => {
        if (this.actor.dead && world.random.chance(0.5)) return;
        if (!this.server.isReachable(this.actor)) return answer(() => reject(unwritable()));
        try {
          const result = work();
          answer(() => resolve(result));
        } catch (error) {
          answer(() => reject(error));
        }
      };
      world.after(this.lastArrival - world.time, undefined, arrive);
    });
  }
}

function unwritable(): StreambackConnectionError {
  return new StreambackConnectionError('FEEDBACK_UNWRITABLE', 'The connection was cut');
}
