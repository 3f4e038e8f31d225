import { StreambackLaneError, StreambackTimeoutError, type WaitingFor } from '../common/errors';
import type { Frame } from '../protocol/frame';
import type { Expiring } from '../common/deadlines';
import type { CreditWindow } from './credit-window';
import { FrameOrder } from './frame-order';
import { remoteError } from './remote-error';

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
}

const TIMEOUT_TEXT: Record<WaitingFor, string> = {
  broker: 'the broker to acknowledge the request',
  consumer: 'a consumer to take the request',
  'first-answer': 'the first answer',
  'next-answer': 'the next answer',
};

/** One request in flight, from its sending to its end. */
export class PendingRequest implements Expiring {
  /** The group that answers; null before the first frame. */
  group: string | null = null;
  /** It was handed to the main stream: somebody may be handling it. */
  wasSent = false;
  private readonly order: FrameOrder;
  private waitingFor: WaitingFor = 'broker';
  private lastActivity: number;
  private over = false;

  /** @param deadline epoch ms, or Infinity */
  constructor(
    readonly id: string,
    readonly pattern: string,
    private readonly observer: AnswerObserver,
    readonly deadline: number,
    private readonly idleTimeoutMs: number,
    private readonly window: CreditWindow,
    private readonly owner: PendingRequestOwner,
  ) {
    this.lastActivity = owner.now();
    this.order = new FrameOrder(observer.restart !== undefined);
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

  get expiresAt(): number {
    return Math.min(this.deadline, this.lastActivity + this.idleTimeoutMs);
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
    const verdict = this.order.accept(frame);
    if (verdict === 'drop') return;
    if (verdict !== 'deliver') return this.fail(verdict);
    if (this.order.runs !== runs && runs > 0) this.window.restart();
    if (this.order.runs !== runs && hasEmitted) this.observer.restart?.(this.order.currentAttempt, before);
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
    if (frame.hasValue) this.observer.next(frame.value);
    if (ends) this.observer.complete();
    else if (!frame.hasValue || !this.observer.pulls) this.onRead();
  }

  /** The reader took one more answer: there is room for another. */
  onRead(): void {
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
    this.order.forget();
    this.waitingFor = 'consumer';
  }

  expire(): void {
    const deadlinePassed = this.owner.now() >= this.deadline;
    const { waitingFor } = this;
    const details = { waitingFor };
    this.fail(
      deadlinePassed
        ? new StreambackTimeoutError(
            'DEADLINE_EXCEEDED',
            `'${this.pattern}' ran out of time waiting for ${TIMEOUT_TEXT[waitingFor]}`,
            details,
          )
        : new StreambackTimeoutError(
            'IDLE_TIMEOUT',
            `'${this.pattern}' waited ${this.idleTimeoutMs} ms for ${TIMEOUT_TEXT[waitingFor]}`,
            details,
          ),
    );
  }

  fail(error: unknown): void {
    if (this.over) return;
    this.finish(!(error instanceof StreambackLaneError && error.code === 'INBOX_LOST'));
    this.observer.error(error);
  }

  /** The reader wants no more. */
  close(): void {
    if (!this.over) this.finish(true);
  }

  private finish(cancel: boolean): void {
    this.over = true;
    this.window.close();
    this.owner.onOver(this, cancel);
  }
}
