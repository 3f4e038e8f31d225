import { StreambackError, StreambackLaneError, type WaitingFor } from '../common/errors';
import type { Frame } from '../protocol/frame';
import type { Expiring } from '../common/deadlines';
import { feedbackTopicOf } from '../protocol/keys';
import type { CreditWindow } from './credit-window';
import { FrameOrder, type FrameOrderOptions } from './frame-order';
import { remoteError } from './remote-error';
import { deadlineExceeded, idleTimeout, uncertain } from './request-errors';
import type { FeedbackForm } from './request-options';

/** Who takes the answers of one request; an Rx subscriber is one. */
export interface AnswerObserver {
  /** It says itself when an answer is read, by `PendingRequest.onRead`; else one is when `next` returns. */
  readonly pulls?: boolean;
  /** Asks to see a restart instead of an error: told that what comes now is of a new attempt, which begins anew. */
  restart?(attempt: number, before: number): void;
  next(value: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

/** What a request needs of its producer. */
export interface PendingRequestOwner {
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

/** How the answers of a request reach it. */
export interface PendingRequestForm extends Omit<FrameOrderOptions, 'followsRestarts'> {
  /** @default 'inbox' */
  readonly feedback?: FeedbackForm | undefined;
  /** The form was asked for; else it is found out. @default false */
  readonly isChosen?: boolean | undefined;
  /** It is not read yet: what comes stays in its list, for this process or another. @default false */
  readonly waitsToBeRead?: boolean | undefined;
  /** It stands for one group of a request that others answer as well. @default false */
  readonly isPart?: boolean | undefined;
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
  private readonly order: FrameOrder;
  private waitingFor: WaitingFor = 'broker';
  private lastActivity: number;
  private over = false;

  /**
   * @param deadline epoch ms, or Infinity
   * @param key what its producer knows it by
   */
  constructor(
    readonly id: string,
    readonly pattern: string,
    private readonly observer: AnswerObserver,
    readonly deadline: number,
    private readonly idleTimeoutMs: number,
    private readonly window: CreditWindow,
    private readonly owner: PendingRequestOwner,
    private readonly form: PendingRequestForm = {},
    readonly key = id,
  ) {
    this.lastActivity = owner.now();
    this.feedback = form.feedback ?? 'inbox';
    this.isRead = !form.waitsToBeRead;
    this.order = new FrameOrder({ fromGroup: form.fromGroup, midway: form.midway, followsRestarts: observer.restart !== undefined });
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

  /** Whether it was answered in Python's frames. */
  get isPlain(): boolean {
    return this.order.isPlain;
  }

  get isOver(): boolean {
    return this.over;
  }

  get instance(): string | undefined {
    return this.order.instance;
  }

  get attempt(): number {
    return this.order.currentAttempt;
  }

  /** When the last frame came, or it was made; epoch ms. */
  get activeAt(): number {
    return this.lastActivity;
  }

  /** Whether its consumer waits for credit. */
  get isStarving(): boolean {
    return this.window.isStarving;
  }

  /** The credit that stands granted. */
  get upTo(): number {
    return this.window.upTo;
  }

  /** Whether its reader is far behind a service that knows no credit. */
  get isFull(): boolean {
    return this.order.isPlain && this.unread >= MAX_UNREAD;
  }

  get expiresAt(): number {
    if (this.isPaused) return this.deadline;
    return Math.min(this.deadline, this.lastActivity + this.idleTimeoutMs);
  }

  /** Its reader is here: from now on answers come, and are waited for. */
  listen(): void {
    if (this.isRead || this.over) return;
    this.isRead = true;
    this.lastActivity = this.owner.now();
    this.owner.onListen(this);
  }

  /** Nothing comes until its reader has caught up, which is not held against its service. */
  pause(): void {
    this.isPaused = true;
  }

  /** The connection was cut inside a pop: numbered frames show themselves what is missing, as soon as another comes. */
  onUncertain(): void {
    if (this.order.runs > 0 && !this.order.isPlain) this.isUncertain = true;
    else this.fail(uncertain(this.pattern));
  }

  /** The broker has it. */
  acknowledged(): void {
    if (this.waitingFor === 'broker') this.waitingFor = 'consumer';
  }

  /** It could not be published; answers prove the opposite. */
  unpublished(error: unknown): void {
    if (this.order.instance === undefined) this.fail(error);
  }

  onFrame(frame: Frame): void {
    if (this.over) return;
    const { runs, hasEmitted, currentAttempt: before } = this.order;
    const followed = this.order.instance;
    const verdict = this.order.accept(frame);
    this.noteUnfollowed(frame.instance);
    this.noteUnfollowed(followed);
    if (verdict === 'drop') return;
    if (verdict !== 'deliver') return this.fail(verdict);
    this.isUncertain = false;
    if (this.order.runs !== runs && runs > 0) this.window.restart();
    else if (this.order.runs !== runs && frame.seq) this.window.startAt(frame.seq);
    if (this.order.runs !== runs && hasEmitted) {
      // A lane drops what was not read of the old attempt.
      this.unread = 0;
      this.observer.restart?.(this.order.currentAttempt, before);
    }
    if (this.isOver) return;
    this.window.onFrame(frame.bytes);
    this.lastActivity = this.owner.now();
    this.group = frame.sourceGroup;
    this.waitingFor = frame.event === 'accepted' ? 'first-answer' : 'next-answer';
    if (frame.event === 'response_end_with_error') {
      this.finish(false);
      this.observer.error(remoteError(frame));
      return;
    }
    const ends = frame.event === 'response_end';
    if (ends) this.finish(false);
    if (frame.hasValue) {
      this.unread += 1;
      this.observer.next(frame.value);
    }
    if (ends) this.observer.complete();
    else if (!frame.hasValue) this.consumed();
    else if (!this.observer.pulls) this.onRead();
  }

  private noteUnfollowed(instance: string | undefined): void {
    if (instance === undefined || instance === this.order.instance) return;
    this.unfollowed ??= new Set();
    if (this.unfollowed.size < MAX_CONSUMERS) this.unfollowed.add(instance);
  }

  /** The reader took one more answer: there is room for another. */
  onRead(): void {
    this.unread -= 1;
    if (this.isPaused && this.unread <= MAX_UNREAD / 2) {
      this.isPaused = false;
      this.lastActivity = this.owner.now();
      if (!this.over) this.owner.onRoom(this);
    }
    this.consumed();
  }

  private consumed(): void {
    if (this.over) return;
    const upTo = this.window.onRead();
    if (upTo !== undefined) this.owner.onGrant(this, upTo);
  }

  /**
   * The consumer's lease has ended: what it has answered stays half, unless the reader asked to see the restart; what it has not is
   * left to the next run (F2).
   */
  consumerLost(): void {
    if (this.order.hasEmitted && !this.observer.restart)
      return this.fail(new StreambackLaneError('CONSUMER_LOST', `The process that answered '${this.pattern}' is gone`));
    const { instance } = this.order;
    this.order.forget();
    // It may only have been slow: should the request end before it is heard of again, it is told, too.
    this.noteUnfollowed(instance);
    this.waitingFor = 'consumer';
  }

  expire(): void {
    const { pattern, waitingFor, idleTimeoutMs } = this;
    const deadlinePassed = this.owner.now() >= this.deadline;
    if (this.isUncertain && !deadlinePassed) return this.fail(uncertain(pattern));
    const { droppedGroup } = this.order;
    const more =
      droppedGroup === undefined ? '' : `; answers of '${droppedGroup}' were dropped, 'fromGroup' is '${String(this.form.fromGroup)}'`;
    this.fail(deadlinePassed ? deadlineExceeded(pattern, waitingFor, more) : idleTimeout(pattern, waitingFor, idleTimeoutMs, more));
  }

  fail(error: unknown): void {
    if (this.over) return;
    this.finish(!this.outlives(error));
    this.observer.error(error);
  }

  /** The reader wants no more. */
  close(): void {
    if (!this.over) this.finish(true);
  }

  /** Whether the handler is left alone: nobody could tell it, or another process may read on. */
  private outlives(error: unknown): boolean {
    if (!(error instanceof StreambackError)) return false;
    return error.code === 'INBOX_LOST' || (error.code === 'CLOSED' && this.feedback === 'list');
  }

  private finish(cancel: boolean): void {
    this.over = true;
    this.window.close();
    this.owner.onOver(this, cancel);
  }
}
