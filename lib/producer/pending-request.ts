import { StreambackError, StreambackLaneError, type WaitingFor } from '../common/errors';
import { numbersOf, type Frame } from '../protocol/frame';
import type { Expiring } from '../common/deadlines';
import { feedbackTopicOf } from '../protocol/keys';
import type { AnswerObserver } from './answer-observer';
import { CreditWindow, type CreditBudget } from './credit-window';
import { FrameOrder } from './frame-order';
import type { PendingRequestForm } from './pending-request-form';
import { remoteError } from './remote-error';
import { answersDropped, deadlineExceeded, idleTimeout, uncertain } from './request-errors';
import type { FeedbackForm } from './request-options';

/** What a request needs of its producer. */
export interface PendingRequestOwner {
  /** What the windows of all its requests may grow by. */
  readonly budget: CreditBudget;
  now(): number;
  /** The request is over: for whatever reason, once. `cancel`: its handler may still be running. */
  onOver(request: PendingRequest, cancel: boolean): void;
  /** The reader has room for frames below `upTo`. */
  onGrant(request: PendingRequest, upTo: number): void;
  /** The reader wants frames, of a request that waited to be read. */
  onListen(request: PendingRequest): void;
  /** The reader of a {@link PendingRequest.pause paused} request has caught up. */
  onRoom(request: PendingRequest): void;
}

/** So many answers of a service that knows no credit are held for a slow reader; others stay where they are. */
const MAX_UNREAD = 1_000;
/** So many consumers of one request are remembered: it has one, as a rule. */
const MAX_CONSUMERS = 100;

/** One request in flight, from its sending to its end. */
export class PendingRequest implements Expiring {
  /** The group that answers; null before the first frame. */
  group: string | null = null;
  /** It was handed to the main stream: somebody may be handling it. */
  wasSent = false;
  /** Whose runs have answered and are not followed: each may wait for credit until it is told that the request is over. */
  unfollowed?: Set<string>;
  /** How its answers come; a request by inbox becomes one by list where its service is found to answer so. */
  feedback: FeedbackForm;
  private isRead: boolean;
  /** A connection was cut while frames were popped that may have been of this request. */
  private isUncertain = false;
  private unread = 0;
  private isPaused = false;
  /** Made with the first frame, as the window is: most of the requests that are in flight wait for it. */
  private order?: FrameOrder;
  private window?: CreditWindow;
  private waitingFor: WaitingFor = 'broker';
  /** When the last frame came, or it was made; epoch ms. */
  activeAt: number;
  private over = false;
  /** Its reader wants no more, maybe while it is given its last answers. */
  private isClosed = false;

  /**
   * @param deadline epoch ms, or Infinity
   * @param credit answers that its consumer may be ahead of its reader at first
   * @param key what its producer knows it by
   */
  constructor(
    readonly id: string,
    readonly pattern: string,
    private readonly observer: AnswerObserver,
    readonly deadline: number,
    private readonly idleTimeoutMs: number,
    private readonly credit: number,
    private readonly owner: PendingRequestOwner,
    private readonly form: PendingRequestForm = {},
    readonly key = id,
  ) {
    this.activeAt = owner.now();
    this.feedback = form.feedback ?? 'inbox';
    this.isRead = !form.waitsToBeRead;
  }

  /** The list that its answers travel in, where they do. */
  get feedbackTopic(): string | undefined {
    return this.feedback === 'list' ? feedbackTopicOf(this.id) : undefined;
  }

  /** Whether others answer the same request: what is said of it to all does not hold for them. */
  get isPart(): boolean {
    return this.form.isPart === true;
  }

  /** Whether the form of its answers was asked for. */
  get hasChosenForm(): boolean {
    return this.form.isChosen === true;
  }

  /** Whether frames are wanted now. */
  get isListening(): boolean {
    return this.isRead;
  }

  /** Whether the broker has it and no consumer has been heard of. */
  get isUnanswered(): boolean {
    return this.waitingFor === 'consumer';
  }

  /** Whether the broker has acknowledged it, or an answer shows that it has it. */
  get isAcknowledged(): boolean {
    return this.waitingFor !== 'broker';
  }

  /** Whether it was answered in Python's frames. */
  get isPlain(): boolean {
    return this.order?.isPlain ?? false;
  }

  get isOver(): boolean {
    return this.over;
  }

  get instance(): string | undefined {
    return this.order?.instance;
  }

  get attempt(): number {
    return this.order?.currentAttempt ?? 0;
  }

  /** Whether its consumer waits for credit. */
  get isStarving(): boolean {
    return this.window?.isStarving ?? false;
  }

  /** The credit that stands granted. */
  get upTo(): number {
    return this.window?.upTo ?? this.credit;
  }

  /** Whether its reader is far behind a service that knows no credit. */
  get isFull(): boolean {
    return this.isPlain && this.unread >= MAX_UNREAD;
  }

  get expiresAt(): number {
    if (this.isPaused) return this.deadline;
    return Math.min(this.deadline, this.activeAt + this.idleTimeoutMs);
  }

  /** Its reader is here: from now on answers come, and are waited for. */
  listen(): void {
    if (this.isRead || this.over) return;
    this.isRead = true;
    this.activeAt = this.owner.now();
    this.owner.onListen(this);
  }

  /** Nothing comes until its reader has caught up, which is not held against its service. */
  pause(): void {
    this.isPaused = true;
  }

  /** The connection was cut inside a pop: numbered frames show themselves what is missing, as soon as another comes. */
  onUncertain(): void {
    if (this.order && this.order.runs > 0 && !this.isPlain) this.isUncertain = true;
    else this.fail(uncertain(this.pattern));
  }

  /** The broker has it. */
  acknowledged(): void {
    if (this.waitingFor === 'broker') this.waitingFor = 'consumer';
  }

  /** It could not be published; answers prove the opposite. */
  unpublished(error: unknown): void {
    if (this.instance === undefined) this.fail(error);
  }

  onFrame(frame: Frame): void {
    if (this.over) return;
    const { fromGroup, midway } = this.form;
    const order = (this.order ??= new FrameOrder({ fromGroup, midway, followsRestarts: this.observer.restart !== undefined }));
    const window = (this.window ??= new CreditWindow(this.credit, this.owner.budget));
    const { runs, hasEmitted, currentAttempt: before, instance: followed } = order;
    const verdict = order.accept(frame);
    this.noteUnfollowed(frame.instance);
    this.noteUnfollowed(followed);
    if (verdict === 'drop') return;
    if (verdict !== 'deliver') return this.fail(verdict);
    this.isUncertain = false;
    if (order.runs !== runs && runs > 0) window.restart();
    else if (order.runs !== runs && frame.seq) window.startAt(frame.seq);
    if (order.runs !== runs && hasEmitted) {
      // A lane drops what was not read of the old attempt.
      this.unread = 0;
      this.observer.restart?.(order.currentAttempt, before);
    }
    if (this.isOver) return;
    window.onFrame(frame.bytes, numbersOf(frame));
    this.activeAt = this.owner.now();
    this.group = frame.sourceGroup;
    this.waitingFor = frame.event === 'accepted' ? 'first-answer' : 'next-answer';
    if (frame.event === 'response_end_with_error') {
      this.finish(false);
      this.tell(() => this.observer.error(remoteError(frame)));
      return;
    }
    const ends = frame.event === 'response_end';
    if (ends) this.finish(false);
    const { values } = frame;
    this.unread += values.length;
    if (ends || values.length > 0) this.tell(() => this.give(values, ends));
    if (ends) return;
    if (values.length === 0) this.consumed(1);
    else if (!this.observer.pulls) this.onRead(values.length);
  }

  /** @param ends they are the last */
  private give(values: readonly unknown[], ends: boolean): void {
    for (const value of values) {
      if (this.isClosed || (this.over && !ends)) return;
      this.observer.next(value);
    }
    if (ends) this.observer.complete();
  }

  /** Has its reader told something. */
  protected tell(work: () => void): void {
    if (this.form.within) this.form.within.runInAsyncScope(work);
    else work();
  }

  private noteUnfollowed(instance: string | undefined): void {
    if (instance === undefined || instance === this.instance) return;
    this.unfollowed ??= new Set();
    if (this.unfollowed.size < MAX_CONSUMERS) this.unfollowed.add(instance);
  }

  /** The reader took so many more answers: there is room for others. */
  onRead(answers = 1): void {
    this.unread -= answers;
    if (this.isPaused && this.unread <= MAX_UNREAD / 2) {
      this.isPaused = false;
      this.activeAt = this.owner.now();
      if (!this.over) this.owner.onRoom(this);
    }
    this.consumed(answers);
  }

  private consumed(numbers: number): void {
    if (this.over) return;
    const upTo = this.window?.onRead(numbers);
    if (upTo !== undefined) this.owner.onGrant(this, upTo);
  }

  /**
   * The consumer's lease has ended: what it has answered stays half, unless the reader asked to see the restart; what it has not is
   * left to the next run (F2).
   */
  consumerLost(): void {
    if (this.order?.hasEmitted && !this.observer.restart)
      return this.fail(new StreambackLaneError('CONSUMER_LOST', `The process that answered '${this.pattern}' is gone`));
    const { instance } = this;
    this.order?.forget();
    // It may only have been slow: should the request end before it is heard of again, it is told, too.
    this.noteUnfollowed(instance);
    this.waitingFor = 'consumer';
  }

  expire(): void {
    const { pattern, waitingFor, idleTimeoutMs } = this;
    const deadlinePassed = this.owner.now() >= this.deadline;
    if (this.isUncertain && !deadlinePassed) return this.fail(uncertain(pattern));
    const dropped = this.order?.droppedGroup;
    const note = dropped === undefined ? undefined : answersDropped(dropped, this.form.fromGroup);
    this.fail(deadlinePassed ? deadlineExceeded(pattern, waitingFor, note) : idleTimeout(pattern, waitingFor, idleTimeoutMs, note));
  }

  fail(error: unknown): void {
    if (this.over) return;
    this.finish(!this.outlives(error));
    this.tell(() => this.observer.error(error));
  }

  /** The reader wants no more. */
  close(): void {
    this.isClosed = true;
    if (!this.over) this.finish(true);
  }

  /** Whether the handler is left alone: nobody could tell it, or another process may read on. */
  private outlives(error: unknown): boolean {
    if (!(error instanceof StreambackError)) return false;
    return error.code === 'INBOX_LOST' || (error.code === 'CLOSED' && this.feedback === 'list');
  }

  private finish(cancel: boolean): void {
    this.over = true;
    this.window?.close();
    this.owner.onOver(this, cancel);
  }
}
