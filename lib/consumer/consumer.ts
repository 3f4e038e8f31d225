import { inspect } from 'node:util';
import { backoffDelayMs } from '../common/backoff';
import { SYSTEM_CLOCK, type Clock } from '../common/clock';
import { StreambackAbortError, StreambackError, type StreambackMessageError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { runInCall } from '../context/call-context';
import type { FeedbackWriter } from '../inbox/feedback-writer';
import type { Inbox } from '../inbox/inbox';
import type { ControlMessage } from '../protocol/control-message';
import { decodeEnvelope, type Envelope } from '../protocol/envelope';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { MainStream, MainStreamDelivery, MainStreamMessage, MainStreamSubscription } from '../streams/main-stream';
import { ClientCheck } from './client-check';
import { deadLetterOf } from './dead-letter';
import { DuplicateGuard } from './duplicate-guard';
import { answerError } from './answer-error';
import { listFrames, runFrames } from './frame-format';
import { KeyOrder } from './key-order';
import type { Listener } from './listener';
import { pump } from './pump';
import { Responder } from './responder';
import { Run } from './run';

export interface ConsumerOptions {
  readonly group: string;
  readonly maxInFlight: number;
  readonly maxAnswerBytes: number;
  readonly drainTimeoutMs: number;
  readonly leaseMs: number;
  readonly logger: StreambackLogger;
  /** What a requester is told of an error: as Nest's own transports tell it. */
  readonly errorValue: (error: unknown) => unknown;
  readonly clock?: Clock;
}

/** What answers go by. */
export interface ConsumerFeedback {
  readonly stream: FeedbackStream;
  readonly inbox: Inbox;
  readonly writer: FeedbackWriter;
}

interface Task {
  readonly listener: Listener;
  readonly delivery: MainStreamDelivery;
  readonly envelope: Envelope;
}

/** Aborts after which the message comes again, here or elsewhere. */
const DELIVERED_AGAIN: ReadonlySet<string> = new Set(['SHUTDOWN', 'REVOKED']);
const HANDLE_AGAIN_DELAY_MS = 1_000;
const DEAD_LETTER_RETRY = { delayMs: 200, factor: 2, maxDelayMs: 5_000, jitter: 0.2 };

/** The answering half of a connection: takes deliveries, runs their listeners, answers, and settles. */
export class Consumer {
  private readonly bound = new Map<string, { listener: Listener; order: KeyOrder<Task> }>();
  /** Runs of requests by the request's id: what control is for. */
  private readonly runs = new Map<string, Run>();
  /** Runs by what revokes their deliveries: one abort listener a partition, not one a message. */
  private readonly owned = new WeakMap<AbortSignal, Set<Run>>();
  private readonly duplicates = new DuplicateGuard();
  private readonly clients?: ClientCheck;
  private readonly clock: Clock;
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
    for (const listener of listeners) {
      const order = new KeyOrder<Task>(listener.options.concurrency, (task, done) => void this.handle(task).then(done));
      this.bound.set(listener.topic, { listener, order });
    }
    if (feedback) {
      this.clients = new ClientCheck(feedback.stream, options.leaseMs);
      feedback.inbox.receiveControl((message) => this.onControl(message));
    }
  }

  /** Resolves once assigned, so that no request from now on is missed. @throws StreambackConnectionError */
  async start(): Promise<void> {
    await Promise.all([this.main.connect(), this.feedback?.inbox.open()]);
    if (this.closing) return;
    this.startedAt = this.clock.now();
    this.subscription = await this.main.subscribe({
      group: this.options.group,
      topics: [...this.bound.keys()],
      maxInFlight: this.options.maxInFlight,
      drainTimeoutMs: this.options.drainTimeoutMs,
      onDelivery: (delivery) => this.take(delivery),
    });
    if (this.closing) await this.subscription.close();
  }

  /** Stops fetching, waits for work in flight, then aborts it; what was aborted is delivered again (M8). Idempotent. */
  close(): Promise<void> {
    this.closing ??= Promise.resolve().then(() => this.subscription?.close());
    return this.closing;
  }

  private take(delivery: MainStreamDelivery): void {
    const { message } = delivery;
    const bound = this.bound.get(message.topic);
    if (!bound) return delivery.release();
    let envelope: Envelope;
    try {
      envelope = decodeEnvelope(message.value);
    } catch (error) {
      void this.bury(delivery, error as StreambackMessageError);
      return;
    }
    bound.order.add(orderKey(bound.listener, message), { listener: bound.listener, delivery, envelope });
  }

  /** Never rejects. */
  private async handle(task: Task): Promise<void> {
    const { delivery, envelope } = task;
    if (this.isLeaving(delivery)) return delivery.release();
    const { id } = envelope;
    let claimed = id === undefined || this.duplicates.claim(id);
    while (typeof claimed !== 'boolean') {
      await claimed;
      if (this.isLeaving(delivery)) return delivery.release();
      claimed = this.duplicates.claim(id!);
    }
    if (!claimed) return delivery.settle();
    let done = true;
    try {
      const wanted = this.isWanted(task);
      // Awaited only where it is a promise, as most are not: each turn costs every message.
      if (typeof wanted === 'boolean' ? wanted : await wanted) done = !this.isLeaving(delivery) && (await this.run(task));
    } catch (error) {
      done = false;
      this.options.logger.error(`'${task.listener.pattern}' could not be handled and will be delivered again: ${describe(error)}`);
      // What failed for want of its feedback stream would fail again at once, and run its handler each time.
      if (!this.isLeaving(delivery)) await this.pause(HANDLE_AGAIN_DELAY_MS);
    }
    if (id !== undefined) this.duplicates[done ? 'finished' : 'released'](id);
    if (done) delivery.settle();
    else delivery.release();
  }

  private isLeaving(delivery: MainStreamDelivery): boolean {
    return this.closing !== undefined || delivery.revoked.aborted;
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimeout(resolve, ms));
  }

  /** A request whose deadline has passed, or whose client is gone, is not started (F7). */
  private isWanted({ delivery, envelope }: Task): boolean | Promise<boolean> {
    if (envelope.feedbackTopic === null) return true;
    const now = this.clock.now();
    if (envelope.deadline !== undefined && envelope.deadline <= now) return false;
    // A message that was sent just now has a client that lived a moment ago: only a backlog is worth a look-up.
    const { timestamp } = delivery.message;
    if (!envelope.inbox || !this.clients || (timestamp >= this.startedAt && now - timestamp <= this.options.leaseMs)) return true;
    return this.clients.isAlive(envelope.inbox);
  }

  /** @returns whether the delivery is done with; else it is to come again */
  private async run({ listener, delivery, envelope }: Task): Promise<boolean> {
    const { message } = delivery;
    const id = envelope.id ?? `${message.topic}-${message.partition}-${message.offset}`;
    const responder = this.responderFor(id, listener, envelope, message.rank, (reason) => run.abort(reason));
    const run: Run = new Run(id, envelope, message, 1, envelope.deadline ?? Infinity, responder);
    const siblings = this.ownedBy(delivery.revoked);
    siblings.add(run);
    if (responder) this.runs.set(id, run);
    try {
      try {
        await runInCall(run, () => pump(call(listener, run), run));
        if (!run.aborted) await responder?.end();
      } catch (error) {
        if (run.aborted) this.options.logger.debug(`'${listener.pattern}' failed after it was aborted: ${describe(error)}`);
        else if (responder) await this.answerWithError(responder, error);
        else this.options.logger.error(`The event '${listener.pattern}' failed: ${describe(error)}`);
      }
    } finally {
      run.onOver?.();
      siblings.delete(run);
      if (this.runs.get(id) === run) this.runs.delete(id);
    }
    if (!run.aborted) return true;
    responder?.abandon();
    return !DELIVERED_AGAIN.has(run.aborted.code);
  }

  private async answerWithError(responder: Responder, error: unknown): Promise<void> {
    const { text, details } = answerError(error, this.options.errorValue);
    await responder.endWithError(text, details);
  }

  private responderFor(
    id: string,
    listener: Listener,
    envelope: Envelope,
    rank: number,
    onGone: (reason: StreambackAbortError) => void,
  ): Responder | null {
    const { feedbackTopic, inbox } = envelope;
    if (feedbackTopic === null || !this.feedback) return null;
    const { stream, writer } = this.feedback;
    const common = { writer, pattern: listener.pattern, maxAnswerBytes: this.options.maxAnswerBytes, onGone };
    if (inbox !== undefined && envelope.id !== undefined) {
      const instance = this.feedback.inbox.key;
      const format = runFrames({ id, sourceGroup: this.options.group, run: rank, attempt: 1, instance });
      return new Responder({ ...common, target: { form: 'inbox', key: inbox }, format });
    }
    if (!stream.capabilities.lists) return null;
    return new Responder({ ...common, target: { form: 'list', key: feedbackTopic }, format: listFrames(this.options.group) });
  }

  private ownedBy(revoked: AbortSignal): Set<Run> {
    let runs = this.owned.get(revoked);
    if (!runs) {
      const created = new Set<Run>();
      runs = created;
      this.owned.set(revoked, created);
      revoked.addEventListener('abort', () => [...created].forEach((run) => run.abort(abortReason(revoked))), { once: true });
    }
    return runs;
  }

  private onControl(message: ControlMessage): void {
    if (message.control === 'cancel') {
      this.runs.get(message.id)?.abort(new StreambackAbortError('CANCELLED', 'The client does not wait any more'));
    }
  }

  /** Puts a message aside that cannot be decoded (M6); nothing is committed past it until that is done. */
  private async bury(delivery: MainStreamDelivery, error: StreambackMessageError): Promise<void> {
    const { topic, partition, offset } = delivery.message;
    const now = this.clock.now();
    const letter = deadLetterOf(delivery.message, { error, attempts: 1, firstAt: now, lastAt: now });
    this.options.logger.warn(`Message ${offset} of ${topic}/${partition} goes to '${letter.topic}': ${error.code}: ${error.message}`);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.main.publish(letter);
        return delivery.settle();
      } catch (cause) {
        if (cause instanceof StreambackError && cause.code === 'TOO_LARGE') {
          // It would never go through, and must not stop the consumer; its bytes stay where they are for as long as the broker keeps them.
          this.options.logger.error(
            `Message ${offset} of ${topic}/${partition} is passed over: '${letter.topic}' does not take it: ${cause.message}`,
          );
          return delivery.settle();
        }
        if (attempt === 1) this.options.logger.error(`'${letter.topic}' cannot be written, trying again: ${String(cause)}`);
      }
      if (this.isLeaving(delivery)) return delivery.release();
      await this.pause(backoffDelayMs(attempt, DEAD_LETTER_RETRY));
    }
  }
}

/** A handler that throws at once is one that rejects. */
function call(listener: Listener, run: Run): unknown {
  try {
    return listener.handle(run);
  } catch (error) {
    return Promise.reject(error);
  }
}

function orderKey(listener: Listener, { key, partition }: MainStreamMessage): string | null {
  switch (listener.options.order) {
    case 'key':
      return key === null ? null : key.toString('latin1');
    case 'partition':
      return String(partition);
    case 'none':
      return null;
  }
}

function abortReason(signal: AbortSignal): StreambackAbortError {
  return signal.reason instanceof StreambackAbortError
    ? signal.reason
    : new StreambackAbortError('REVOKED', 'The message belongs to another now');
}

function describe(error: unknown): string {
  if (error instanceof StreambackError) return `${error.code}: ${error.message}`;
  // Whatever a handler throws: JSON and String() throw on some values themselves.
  return error instanceof Error ? (error.stack ?? error.message) : inspect(error, { depth: 3 });
}
