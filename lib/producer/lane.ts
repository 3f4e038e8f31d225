import type { Clock } from '../common/clock';
import { StreambackTimeoutError } from '../common/errors';
import { aClass, aDuration, checkOptions, type OptionRules } from '../common/option-rules';
import { Queue } from '../common/queue';
import { answersAs, type AnswerType } from './answer-type';
import type { AnswerObserver, PendingRequest } from './pending-request';

export interface LaneReadOptions<As = unknown> {
  /** Longest wait for this answer, in ms; the lane stays open when it passes. @default none: the request's own timeouts hold */
  readonly timeoutMs?: number;
  /** The class that this answer is made an instance of, by `class-transformer`. @default the request's `responseType` */
  readonly as?: AnswerType<As> | undefined;
}

const READ_RULES: OptionRules<LaneReadOptions> = { timeoutMs: aDuration(1), as: aClass };

interface Waiter<Answer> {
  resolve(answer: Answer | undefined): void;
  reject(error: unknown): void;
}

/**
 * All answers to one request, pulled one by one: by `read()`, or by `for await`, whose leaving closes the lane.
 */
export class Lane<Answer = unknown> implements AsyncIterable<Answer> {
  private readonly buffered = new Queue<Answer>();
  private readonly waiters: Waiter<Answer>[] = [];
  private outcome: { readonly error: unknown } | 'end' | undefined;
  /** Set while a restart has happened that the reader has not come to: the attempt that it still sees. */
  private seenAttempt: number | undefined;
  private readonly request: PendingRequest;
  /** What each answer is made an instance of, where it is read. Internal: set by `StreambackClient.open`. */
  type?: AnswerType<Answer> | undefined;

  /**
   * Made by `StreambackClient.open`.
   * @param onRestart told between the last answer read of one attempt and the first of the next; without it a restart is an error
   */
  constructor(
    start: (observer: AnswerObserver) => PendingRequest,
    private readonly clock: Clock,
    private readonly onRestart?: (attempt: number) => void,
  ) {
    this.request = start({
      pulls: true,
      ...(onRestart && { restart: (_attempt: number, before: number) => this.onNewAttempt(before) }),
      next: (value) => this.onAnswer(value as Answer),
      error: (error) => this.onOver({ error }),
      complete: () => this.onOver('end'),
    });
  }

  /** The request's id. */
  get id(): string {
    return this.request.id;
  }

  /** The try that the answers come from, counted from 1; 0 before the first. It rises with each restart. */
  get attempt(): number {
    return this.seenAttempt ?? this.request.attempt;
  }

  /** The feedback list that the answers travel in, for `resume` in any process; undefined where they come by the inbox. */
  get feedbackTopic(): string | undefined {
    return this.request.feedbackTopic;
  }

  /** The group that answers; null before the first answer. */
  get group(): string | null {
    return this.request.group;
  }

  /**
   * The next answer; `undefined` is the end, now and ever after.
   * @throws StreambackConfigError INVALID_OPTION; MISSING_PACKAGE where a class is named and class-transformer is not installed
   * @throws StreambackTimeoutError READ_TIMEOUT when `timeoutMs` has passed; the lane is still open then
   * @throws whatever ended the lane: a StreambackLaneError, or what the handler threw, in Nest's form
   */
  async read<As = Answer>(options?: LaneReadOptions<As>): Promise<As | undefined> {
    if (options) checkOptions<LaneReadOptions>(options, READ_RULES, 'read');
    const type = options?.as ?? this.type;
    // Before an answer is taken, which would be lost.
    const made = type && answersAs<unknown>(type);
    const answer: unknown = await this.take(options?.timeoutMs);
    return (made ? made(answer) : answer) as As | undefined;
  }

  private async take(timeoutMs: number | undefined): Promise<Answer | undefined> {
    this.request.listen();
    this.tellRestart();
    if (this.buffered.size > 0) {
      this.request.onRead();
      return this.buffered.shift();
    }
    if (this.outcome) return settled(this.outcome);
    return new Promise<Answer | undefined>((resolve, reject) => {
      const waiter: Waiter<Answer> = { resolve, reject };
      this.waiters.push(waiter);
      if (timeoutMs === undefined) return;
      const timer = this.clock.setTimeout(() => {
        this.waiters.splice(this.waiters.indexOf(waiter), 1);
        reject(new StreambackTimeoutError('READ_TIMEOUT', `No answer within ${timeoutMs} ms`, { waitingFor: 'next-answer' }));
      }, timeoutMs);
      waiter.resolve = (answer) => (this.clock.clearTimeout(timer), resolve(answer));
      waiter.reject = (error) => (this.clock.clearTimeout(timer), reject(error));
    });
  }

  /** Wants no more: frees the lane on this side and tells the handler. What was not read is gone; reads give `undefined`. */
  close(): void {
    this.request.close();
    this.buffered.clear();
    this.seenAttempt = undefined;
    this.outcome = 'end';
    this.onOver('end');
  }

  [Symbol.asyncIterator](): AsyncIterator<Answer, undefined> {
    return {
      next: async () => {
        const answer = await this.read().catch((error: unknown) => {
          // One that cannot be made an instance of its class: the loop is left, and nobody else would close the lane.
          if (!this.outcome) this.close();
          throw error;
        });
        return answer === undefined ? { done: true, value: undefined } : { done: false, value: answer };
      },
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
  }

  private onAnswer(answer: Answer): void {
    const waiter = this.waiters.shift();
    if (!waiter) return this.buffered.push(answer);
    waiter.resolve(answer);
    this.request.onRead();
  }

  /** What was not read of the old attempt is dropped. A reader that waits has read all before; another is told at its next read. */
  private onNewAttempt(before: number): void {
    this.buffered.clear();
    this.seenAttempt ??= before;
    if (this.waiters.length > 0) this.tellRestart();
  }

  private tellRestart(): void {
    if (this.seenAttempt === undefined) return;
    this.seenAttempt = undefined;
    this.onRestart?.(this.request.attempt);
  }

  private onOver(outcome: { readonly error: unknown } | 'end'): void {
    this.outcome ??= outcome;
    for (const waiter of this.waiters.splice(0)) {
      if (outcome === 'end') waiter.resolve(undefined);
      else waiter.reject(outcome.error);
    }
  }
}

function settled(outcome: { readonly error: unknown } | 'end'): undefined {
  if (outcome !== 'end') throw outcome.error;
  return undefined;
}
