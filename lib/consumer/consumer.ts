import { SYSTEM_CLOCK, type Clock } from '../common/clock';
import { StreambackError, type StreambackMessageError } from '../common/errors';
import { TurnLimit } from '../common/turn-limit';
import type { ConnectionHooks } from '../lifecycle/told-hooks';
import { decodeEnvelope, withoutRequester, type Envelope } from '../protocol/envelope';
import type { MainStream, MainStreamDelivery, MainStreamSubscription, TopicPartition } from '../streams/main-stream';
import { Answering, type ConsumerFeedback } from './answering';
import { BatchRunner } from './batch-runner';
import { Batches } from './batches';
import { ClientCheck, type Asker } from './client-check';
import type { ConsumerFacts } from './consumer-facts';
import { wasPutAside, type DeadLetter } from './dead-letter';
import { DeadLetters } from './dead-letters';
import { describeError } from './describe-error';
import { DuplicateGuard } from './duplicate-guard';
import { Handling, type HandlingOwner } from './handling';
import { KeyOrder, type Slot } from './key-order';
import type { Listener } from './listener';
import { allOf, Opening } from './opening';
import { CLOCK_TOLERANCE_MS } from './run';
import { RunRegistry } from './run-registry';
import type { RunOutcome } from './run-result';
import { Runner, type RunnerOptions } from './runner';
import { orderKey, type Task } from './task';
import { Unheard } from './unheard';

export interface ConsumerOptions extends RunnerOptions {
  readonly maxInFlight: number;
  readonly drainTimeoutMs: number;
  readonly leaseMs: number;
  /** Told what belongs to no listener. */
  readonly hooks?: ConnectionHooks<DeadLetter> | undefined;
  readonly clock?: Clock;
  /** @default one of its own */
  readonly turn?: Pick<TurnLimit, 'isOver'>;
}

/** A listener with what this process knows of its messages. */
interface Bound {
  readonly listener: Listener;
  readonly order: Pick<KeyOrder<Task>, 'add' | 'withdraw'>;
  readonly duplicates: DuplicateGuard;
}

/** A request that is older when its turn comes may have been cancelled meanwhile, in ms. */
const WAITED_MS = 250;

/** The answering half of a connection: takes deliveries, decides which are run and in what order, and settles them. */
export class Consumer {
  private readonly bound = new Map<string, Bound>();
  private readonly batches: Batches[] = [];
  private readonly registry: RunRegistry;
  private readonly runner: Runner;
  private readonly deadLetters: DeadLetters;
  private readonly unheard: Unheard;
  private readonly clients?: ClientCheck;
  private readonly clock: Clock;
  private readonly turn: Pick<TurnLimit, 'isOver'>;
  private readonly opening: Opening;
  private readonly handling: HandlingOwner;
  private readonly assigned = new Set<string>();
  private taken = 0;
  private ended = 0;
  private subscription?: MainStreamSubscription;
  private closing?: Promise<void>;
  private startedAt = Infinity;

  constructor(
    private readonly main: MainStream,
    private readonly feedback: ConsumerFeedback | undefined,
    listeners: readonly Listener[],
    private readonly options: ConsumerOptions,
  ) {
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.turn = options.turn ?? new TurnLimit();
    this.registry = new RunRegistry(feedback?.stream, options.leaseMs, this.clock);
    this.deadLetters = new DeadLetters(main, {
      group: options.group,
      logger: options.logger,
      clock: this.clock,
      isLeaving: (delivery) => this.isLeaving(delivery),
      toldOf: (topic) => (this.bound.get(topic)?.listener ?? options).hooks?.deadLetter,
    });
    this.opening = new Opening({ open: () => this.open(), group: options.group, logger: options.logger });
    const answering = new Answering(feedback, options);
    this.unheard = new Unheard(answering, this.deadLetters, options.logger);
    this.runner = new Runner(this.registry, this.deadLetters, answering, options, this.clock);
    this.handling = {
      runner: this.runner,
      isLeaving: (delivery) => this.isLeaving(delivery),
      isWanted: (task, asker) => this.isWanted(task, asker),
      fateOf: (task, error) => this.fateOf(task, error),
      giveBack: (task) => this.giveBack(task),
      onUnsettled: ({ listener }, error) =>
        options.logger.error(`A message of '${listener.pattern}' could not be settled: ${describeError(error)}`),
      onOver: () => (this.ended += 1),
    };
    for (const listener of listeners) {
      const duplicates = new DuplicateGuard();
      const order = listener.batch ? this.batchesOf(listener, duplicates) : this.orderOf(listener, duplicates);
      this.bound.set(listener.topic, { listener, order, duplicates });
    }
    if (feedback) {
      this.clients = new ClientCheck(feedback.stream, options.leaseMs);
      feedback.inbox.receiveControl(this.registry);
    }
  }

  /**
   * Resolves once assigned, so that no request from now on is missed; or once it is clear that a server is away: then it is tried again
   * until it works.
   * @throws StreambackError what trying again will not mend
   */
  start(): Promise<void> {
    return this.opening.begin();
  }

  /** What is known of it now, for health. */
  facts(): ConsumerFacts {
    return {
      group: this.options.group,
      failure: this.opening.failure,
      joined: this.subscription !== undefined,
      closing: this.closing !== undefined,
      assignedPartitions: this.assigned.size,
      inFlight: this.taken - this.ended,
      progress: this.taken + this.ended,
      heartbeat: this.subscription?.heartbeat?.(),
    };
  }

  /** Messages in its partitions that are not settled; nothing where the stream cannot tell. @throws StreambackConnectionError */
  async lag(): Promise<number | undefined> {
    return this.subscription?.lag?.();
  }

  /** Stops fetching, waits for work in flight, then aborts it; what was aborted is delivered again (M8). Idempotent. */
  close(): Promise<void> {
    this.opening.end();
    this.closing ??= Promise.resolve()
      .then(() => {
        this.runner.leave();
        for (const each of this.batches) each.close();
        return this.subscription?.close();
      })
      .finally(() => this.registry.close());
    return this.closing;
  }

  private async open(): Promise<void> {
    await allOf(this.main.connect(), Promise.resolve(this.feedback?.inbox.open()));
    if (this.closing) return;
    this.assigned.clear();
    this.startedAt = this.clock.now();
    this.subscription = await this.main.subscribe({
      group: this.options.group,
      topics: [...this.bound.keys()],
      maxInFlight: this.options.maxInFlight,
      drainTimeoutMs: this.options.drainTimeoutMs,
      onDelivery: (delivery) => this.take(delivery),
      onLeaving: (places) => this.withdraw(places),
      onRebalance: ({ assigned, revoked }) => {
        for (const place of revoked) this.assigned.delete(placeOf(place));
        for (const place of assigned) this.assigned.add(placeOf(place));
        this.options.hooks?.rebalance?.({ assigned, revoked });
      },
    });
    if (this.closing) await this.subscription.close();
  }

  private take(delivery: MainStreamDelivery): void {
    const { message } = delivery;
    const bound = this.bound.get(message.topic);
    if (!bound) return void this.unheard.take(delivery);
    const { listener, order } = bound;
    this.taken += 1;
    let envelope: Envelope;
    try {
      envelope = decodeEnvelope(message.value, this.options.json);
    } catch (error) {
      void this.deadLetters.bury(delivery, error as StreambackMessageError).finally(() => (this.ended += 1));
      return;
    }
    const task: Task = wasPutAside(message)
      ? { listener, delivery, envelope: withoutRequester(envelope), id: undefined }
      : { listener, delivery, envelope, id: envelope.id };
    order.add(orderKey(listener, message), task);
    // No more is handed over until something has ended: nothing is to wait for it.
    if (this.taken - this.ended >= this.options.maxInFlight) for (const each of this.batches) each.flush();
  }

  private orderOf(listener: Listener, duplicates: DuplicateGuard): KeyOrder<Task> {
    const start = (task: Task, slot: Slot<Task>): void => new Handling(this.handling, task, duplicates, slot).begin();
    return new KeyOrder<Task>(listener.options.concurrency, start, this.turn);
  }

  private batchesOf(listener: Listener, duplicates: DuplicateGuard): Batches {
    const { clock, turn } = this;
    const batches = new Batches({
      listener,
      duplicates,
      runner: new BatchRunner(this.runner, { unanswered: (task, error) => this.fateOf(task, error), clock }),
      clock,
      turn,
      isWanted: (task, asker) => this.isWanted(task, asker),
      onEnded: (count) => (this.ended += count),
    });
    this.batches.push(batches);
    return batches;
  }

  /** Gives back what has not begun of partitions that are asked back: their next owner need not wait for it. */
  private withdraw(places: readonly TopicPartition[]): void {
    const leaving = new Set(places.map(placeOf));
    for (const { order } of this.bound.values()) {
      for (const task of order.withdraw(({ delivery }) => leaving.has(placeOf(delivery.message)))) this.giveBack(task);
    }
  }

  /** Of what has not begun. */
  private giveBack({ delivery }: Task): void {
    this.ended += 1;
    delivery.release();
  }

  /** The end cannot be written: the message comes again where that may help, and is given up where it cannot. */
  private fateOf({ listener, delivery }: Task, error: unknown): RunOutcome {
    const again = this.isLeaving(delivery) || (error instanceof StreambackError && error.retryable);
    const fate = again ? 'it will be delivered again' : 'its requester will not hear of it';
    this.options.logger.error(`'${listener.pattern}' was handled and cannot be answered, ${fate}: ${describeError(error)}`);
    return again ? 'again' : 'failed';
  }

  private isLeaving(delivery: MainStreamDelivery): boolean {
    return this.closing !== undefined || delivery.revoked.aborted;
  }

  /** A request whose deadline has passed, whose client is gone, or which was cancelled, is not started (F6, F7). */
  private isWanted({ delivery, envelope, listener }: Task, asker: Asker): boolean | undefined {
    const { feedbackTopic, deadline, inbox, id } = envelope;
    if (feedbackTopic === null || !listener.options.cancellable) return true;
    const now = this.clock.now();
    if (deadline !== undefined && deadline + CLOCK_TOLERANCE_MS <= now) return false;
    // A request that was sent just now has a client that lived a moment ago: only one that has waited is worth a look-up.
    const { timestamp } = delivery.message;
    if (!this.clients || (timestamp >= this.startedAt && now - timestamp <= WAITED_MS)) return true;
    this.clients.ask(inbox, id, asker);
    return undefined;
  }
}

const placeOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
