import type { Clock } from '../common/clock';
import type { StreambackLogger } from '../common/logger';
import { attempted, tryOnce, type Attempted, type Failure } from './attempt';
import { describeError } from './describe-error';
import { answerError, refusedAnswer } from './answer-error';
import type { Answering, AnsweringOptions } from './answering';
import { decodeEnvelope, type Envelope } from '../protocol/envelope';
import { handlerFailed, type DeadLetterFacts } from './dead-letter';
import type { DeadLetters } from './dead-letters';
import { HookedMessage } from './hooked-message';
import type { Slot } from './key-order';
import type { Listener } from './listener';
import { retryDelayMs } from './retry';
import { INBOX_LOST, Run } from './run';
import type { RunRegistry } from './run-registry';
import { AGAIN, DONE, type RunEnd, type RunOutcome, type RunResult } from './run-result';
import type { Task } from './task';

export interface RunnerOptions extends AnsweringOptions {
  /** Whether an error is what a handler has to say, rather than its failure: neither retried nor dead-lettered. */
  readonly isAnswer: (error: unknown) => boolean;
  readonly logger: StreambackLogger;
  /** What a requester is told of an error: as Nest's own transports tell it. */
  readonly errorValue: (error: unknown) => unknown;
}

/** A first try that has been. */
interface FirstTry {
  readonly run: Run;
  /** Epoch ms. */
  readonly firstAt: number;
  readonly failed: Failure | undefined;
}

/** Between looks for an inbox that could not be made, in ms. */
const INBOX_RETRY_MS = 200;
/** Aborts after which the message comes again, here or elsewhere. */
export const DELIVERED_AGAIN: ReadonlySet<string> = new Set(['SHUTDOWN', 'REVOKED']);

/** Runs listeners: gives each message its runs and responders, tries again what fails, and writes what comes of it. */
export class Runner {
  /** Ends the waits for further tries. */
  private readonly resting = new Set<() => void>();
  private leaving = false;

  constructor(
    private readonly registry: RunRegistry,
    private readonly deadLetters: DeadLetters,
    private readonly answering: Answering,
    private readonly options: RunnerOptions,
    private readonly clock: Clock,
  ) {}

  /**
   * Tells `end` once the end is stored, or the message is dead-lettered (M2).
   * @param attempt from 1
   */
  run(task: Task, attempt: number, slot: Slot, end: RunEnd): void {
    const { hooks } = task.listener;
    if (hooks) return tell(this.runTelling(task, attempt, slot, new HookedMessage(hooks)), end);
    if (this.answering.isUnreachable(task.envelope) || task.delivery.revoked.aborted) return tell(this.tries(task, attempt, slot), end);
    this.runAtOnce(task, attempt, slot, end);
  }

  /** The way of nearly all messages: nothing is waited for but the handler and the storing of its answers. */
  private runAtOnce(task: Task, attempt: number, slot: Slot, end: RunEnd): void {
    const firstAt = this.clock.now();
    const run = this.begin(task, attempt, undefined);
    if (run.expiresAt <= firstAt) run.expire();
    const over: Attempted = (failed, unanswered) => {
      if (!unanswered && (failed || run.aborted)) {
        return tell(this.tries(task, attempt, slot, undefined, { run, firstAt, failed }), end);
      }
      this.end(run, task);
      if (unanswered) end.failed(unanswered.error);
      else end.ended(DONE);
    };
    if (run.aborted) over();
    else tryOnce(run, task.listener, this.options.logger, over, slot);
  }

  private async runTelling(task: Task, attempt: number, slot: Slot, hooked: HookedMessage): Promise<RunResult> {
    let outcome: RunOutcome = 'failed';
    try {
      const result = await this.tries(task, attempt, slot, hooked);
      outcome = result.outcome;
      return result;
    } catch (error) {
      hooked.unanswered(error);
      throw error;
    } finally {
      await this.tellEnd(hooked, outcome, task);
    }
  }

  /** Resolves when hooks have heard of a message's end, or it is not ours any more. Never rejects. */
  async tellEnd(hooked: HookedMessage, outcome: RunOutcome, { delivery }: Task): Promise<void> {
    const told = hooked.end(outcome);
    if (told) await this.registry.untilRevoked(told, delivery.revoked);
  }

  /** @param first what came of the first try, where that has been */
  private async tries(task: Task, attempt: number, slot: Slot, hooked?: HookedMessage, first?: FirstTry): Promise<RunResult> {
    const firstAt = first?.firstAt ?? this.clock.now();
    let delayMs: number | undefined;
    let failures = 0;
    for (let tries = 1; ; tries++) {
      const tried = tries === 1 ? first : undefined;
      if (!tried) {
        if (this.answering.isUnreachable(task.envelope) && !(await this.reachable(task))) return AGAIN;
        if (task.delivery.revoked.aborted) return AGAIN;
      }
      const run = tried?.run ?? this.begin(task, attempt + tries - 1, hooked);
      try {
        if (delayMs !== undefined) {
          await slot.rest(this.delay(delayMs, run));
          if (this.leaving) return this.abandoned(run, 'again');
        }
        if (!tried && run.expiresAt <= this.clock.now()) run.expire();
        if (hooked && !run.aborted) await hooked.begin(run);
        const failed = tried || run.aborted ? tried?.failed : await attempted(run, task.listener, this.options.logger);
        if (failed && !run.aborted) {
          const cause = run.causeOf(failed.error);
          const isFailure = this.isFailure(run, failed);
          if (isFailure) {
            failures += 1;
            delayMs = this.retryDelayMs(run, task.listener, failures, cause);
            if (delayMs !== undefined) continue;
          }
          task.listener.hooks?.error?.(run, cause);
          if (isFailure && !(await this.putAside(run, task, { attempts: failures, firstAt }, cause))) return AGAIN;
          await this.onFailure(run, task.listener, failed);
        }
        if (!run.aborted) return { outcome: failed ? 'failed' : 'done' };
        const result = this.abandoned(run);
        if (run.aborted !== INBOX_LOST) return result;
        // Its requester still waits.
        await result.lingering;
        if (slot.isFree) await slot.rest(Promise.resolve());
        task.envelope.value = decodeEnvelope(task.delivery.message.value, this.options.json).value;
        delayMs = undefined;
      } finally {
        this.end(run, task);
      }
    }
  }

  get isLeaving(): boolean {
    return this.leaving;
  }

  /** Closing: what waits for a further try is given back at once. */
  leave(): void {
    this.leaving = true;
    for (const end of [...this.resting]) end();
  }

  /**
   * Waits for the inbox as long as the message is ours: a run without one could neither be stopped nor given credit.
   * @returns false where it is to be given back
   */
  async reachable({ envelope, delivery }: Task): Promise<boolean> {
    while (this.answering.isUnreachable(envelope)) {
      if (this.leaving || delivery.revoked.aborted) return false;
      if (!(await this.answering.open())) await new Promise<void>((resolve) => this.clock.setTimeout(resolve, INBOX_RETRY_MS));
    }
    return true;
  }

  /** Gives a message a run, which must be ended. */
  begin({ listener, delivery, envelope }: Task, attempt: number, hooked: HookedMessage | undefined, type: typeof Run = Run): Run {
    const { message, revoked } = delivery;
    const id = envelope.id ?? `${message.topic}-${message.partition}-${message.offset}`;
    const { pattern, options } = listener;
    const responder = this.answering.responderFor(envelope, {
      pattern,
      maxBuffered: options.maxBuffered,
      run: message.rank,
      attempt,
      onGone: (reason) => run.abort(reason),
      onAnswer: hooked?.onAnswer,
    });
    const run: Run = new type(id, envelope, message, attempt, deadlineOf(envelope), responder, options.cancellable);
    this.registry.add(run, revoked);
    hooked?.follow(run);
    return run;
  }

  /** Whatever became of it. */
  end(run: Run, { delivery }: Task): void {
    this.registry.delete(run, delivery.revoked);
    run.isOver = true;
    this.tellOver(run);
  }

  /** Tells that a handler has ended. */
  tellOver({ onOver }: Pick<Run, 'onOver'>): void {
    try {
      onOver?.();
    } catch (error) {
      this.options.logger.error(`A processing hook failed: ${describeError(error)}`);
    }
  }

  /** How long to wait for the next try; nothing when there is to be none. */
  private retryDelayMs(run: Run, listener: Listener, failures: number, cause: unknown): number | undefined {
    const { pattern, hooks } = listener;
    const delayMs = mayRestart(run) ? this.delayMs(listener, failures, cause) : undefined;
    if (delayMs === undefined) return undefined;
    run.responder?.abandon();
    this.options.logger.debug(`'${pattern}' failed and is tried again in ${delayMs} ms: ${describeError(cause)}`);
    hooks?.retry?.(run, { error: cause, attempt: run.attempt, delayMs });
    return delayMs;
  }

  /** The same as {@link retryDelayMs}; a `retry.on` that fails itself is logged, and wants no further try. */
  delayMs({ pattern, options }: Listener, failures: number, cause: unknown): number | undefined {
    try {
      return retryDelayMs(options.retry, failures, cause);
    } catch (error) {
      this.options.logger.error(`The retry.on of '${pattern}' failed, there is no further try: ${describeError(error)}`);
      return undefined;
    }
  }

  /** Dead-letters what has failed for good. @returns whether it is done with; else it is to come again */
  async putAside(run: Run, task: Task, facts: Pick<DeadLetterFacts, 'attempts' | 'firstAt'>, cause: unknown): Promise<boolean> {
    const error = handlerFailed(task.listener.pattern, cause, facts.attempts);
    const isRequest = run.envelope.feedbackTopic !== null && !task.listener.takesEvents;
    return this.deadLetters.putAside(task, { ...facts, error, lastAt: this.clock.now() }, isRequest);
  }

  private abandoned({ aborted, responder, handler, lingering }: Run, outcome?: 'again'): RunResult {
    responder?.abandon();
    if (outcome || DELIVERED_AGAIN.has(aborted!.code)) return AGAIN;
    // Its key and its slot stay taken as long as it works, or a client could lift any limit by cancelling.
    return { outcome: 'done', lingering: Promise.allSettled([handler, ...(lingering ?? [])]) };
  }

  /** Whether the handler has failed, rather than answered with an error: what pipes and guards refuse is an answer to a request. */
  isFailure({ envelope, failure, responder }: Run, { error, concealed }: Failure): boolean {
    if (!concealed && responder?.refusal && error === responder.refusal) return false;
    return envelope.feedbackTopic === null || (failure !== undefined && !this.options.isAnswer(failure));
  }

  /** Waits for a further try: less, where it is aborted, or all leave. */
  async delay(delayMs: number, run: Pick<Run, 'onAbort'>): Promise<void> {
    if (this.leaving) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.clock.clearTimeout(timer);
        this.resting.delete(end);
        resolve();
      };
      const timer = this.clock.setTimeout(end, delayMs);
      this.resting.add(end);
      run.onAbort(end);
    });
  }

  /** Writes the end, with the error as it is told to the requester. @throws StreambackError when it cannot be written */
  async onFailure(run: Run, { pattern }: Listener, { error, concealed }: Failure): Promise<void> {
    const { logger, errorValue, maxAnswerBytes } = this.options;
    const { responder, envelope } = run;
    if (responder && concealed) {
      await responder.end();
    } else if (responder) {
      const { refusal } = responder;
      // What the handler threw is Nest's to log, and arrives as from Nest, be it one of our own errors; what became of its answers is ours.
      const refused = refusal && error === refusal;
      if (refused) logger.error(`'${pattern}' could not answer: ${describeError(error)}`);
      const { text, details } = refused ? refusedAnswer(refusal) : answerError(error, errorValue, maxAnswerBytes);
      await responder.endWithError(text, details);
    } else {
      const what = envelope.feedbackTopic === null ? 'event' : 'request';
      logger.error(`The ${what} '${pattern}' failed: ${describeError(run.causeOf(error))}`);
    }
  }
}

/** Nobody waits for an event, whatever its sender has put into it. */
const deadlineOf = ({ feedbackTopic, deadline = Infinity }: Envelope): number => (feedbackTopic === null ? Infinity : deadline);

/** Whether a further attempt can be told from this one: frames without a request's id say no attempt. */
export function mayRestart({ envelope, responder }: Run): boolean {
  return envelope.id !== undefined || !responder?.hasSent;
}

function tell(running: Promise<RunResult>, end: RunEnd): void {
  running.then(
    (result) => end.ended(result),
    (error: unknown) => end.failed(error),
  );
}
