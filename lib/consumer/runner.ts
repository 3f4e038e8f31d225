import { inspect } from 'node:util';
import type { Clock } from '../common/clock';
import { StreambackError, StreambackMessageError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { runInCall } from '../context/call-context';
import { answerError, refusedAnswer } from './answer-error';
import type { Answering, AnsweringOptions } from './answering';
import type { DeadLetters } from './dead-letters';
import type { Slot } from './key-order';
import type { Listener } from './listener';
import { pump } from './pump';
import { retryDelayMs } from './retry';
import { Run } from './run';
import type { RunRegistry } from './run-registry';
import type { Task } from './task';

export interface RunnerOptions extends AnsweringOptions {
  /** Whether an error is what a handler has to say, rather than its failure: neither retried nor dead-lettered. */
  readonly isAnswer: (error: unknown) => boolean;
  readonly logger: StreambackLogger;
  /** What a requester is told of an error: as Nest's own transports tell it. */
  readonly errorValue: (error: unknown) => unknown;
}

/** `again`: it was aborted, and the message is to be delivered again. */
export type RunOutcome = 'done' | 'failed' | 'again';

export interface RunResult {
  readonly outcome: RunOutcome;
  /** Set where the handler was stopped and may still be at work: resolves when it has really ended. Never rejects. */
  readonly lingering?: Promise<unknown>;
}

/** Aborts after which the message comes again, here or elsewhere. */
const DELIVERED_AGAIN: ReadonlySet<string> = new Set(['SHUTDOWN', 'REVOKED']);

/** Runs listeners: gives each message its runs and responders, tries again what fails, and writes what comes of it. */
export class Runner {
  constructor(
    private readonly registry: RunRegistry,
    private readonly deadLetters: DeadLetters,
    private readonly answering: Answering,
    private readonly options: RunnerOptions,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves once the end is stored, or the message is dead-lettered (M2).
   * @param attempt from 1
   * @throws StreambackError when the end cannot be written
   */
  async run(task: Task, attempt: number, slot: Slot): Promise<RunResult> {
    const firstAt = this.clock.now();
    let delayMs: number | undefined;
    for (let tries = 1; ; tries++) {
      const run = this.begin(task, attempt + tries - 1);
      try {
        if (delayMs !== undefined) await slot.rest(this.delay(delayMs, run));
        const failed = run.aborted ? undefined : await this.attempt(run, task.listener);
        if (run.aborted) return this.abandoned(run);
        if (!failed) return { outcome: 'done' };
        const cause = run.failure ?? failed.error;
        if (this.isFailure(run, failed.error)) {
          delayMs = retryDelayMs(task.listener.options.retry, tries, cause);
          if (delayMs !== undefined) {
            run.responder?.abandon();
            this.options.logger.debug(`'${task.listener.pattern}' failed and is tried again in ${delayMs} ms: ${describeError(cause)}`);
            continue;
          }
          const error = handlerFailed(task.listener.pattern, cause, tries);
          const facts = { error, attempts: tries, firstAt, lastAt: this.clock.now() };
          if (!(await this.deadLetters.putAside(task, facts, run.envelope.feedbackTopic !== null))) return { outcome: 'again' };
        }
        await this.onFailure(run, task.listener, failed.error);
        return { outcome: 'failed' };
      } finally {
        this.registry.delete(run, task.delivery.revoked);
        this.over(run);
      }
    }
  }

  private begin({ listener, delivery, envelope }: Task, attempt: number): Run {
    const { message, revoked } = delivery;
    const id = envelope.id ?? `${message.topic}-${message.partition}-${message.offset}`;
    const { pattern, options } = listener;
    const responder = this.answering.responderFor(envelope, {
      pattern,
      maxBuffered: options.maxBuffered,
      run: message.rank,
      attempt,
      onGone: (reason) => run.abort(reason),
    });
    const run: Run = new Run(id, envelope, message, attempt, envelope.deadline ?? Infinity, responder, options.cancellable);
    this.registry.add(run, revoked);
    return run;
  }

  /** Calls the handler and writes what it gives, the end too. @returns what it failed with */
  private async attempt(run: Run, listener: Listener): Promise<{ readonly error: unknown } | undefined> {
    try {
      await runInCall(run, () => {
        const given = call(listener, run);
        run.handler = given;
        return pump(given, run);
      });
    } catch (error) {
      if (!run.aborted) return { error };
      this.options.logger.debug(`'${listener.pattern}' failed after it was aborted: ${describeError(error)}`);
    }
    if (!run.aborted) await run.responder?.end();
    return undefined;
  }

  private abandoned({ aborted, responder, handler }: Run): RunResult {
    responder?.abandon();
    if (DELIVERED_AGAIN.has(aborted!.code)) return { outcome: 'again' };
    // Its key and its slot stay taken as long as it works, or a client could lift any limit by cancelling.
    return { outcome: 'done', lingering: Promise.resolve(handler).catch(() => undefined) };
  }

  private over(run: Run): void {
    run.isOver = true;
    try {
      run.onOver?.();
    } catch (error) {
      this.options.logger.error(`A processing hook failed: ${describeError(error)}`);
    }
  }

  /** Whether the handler has failed, rather than answered with an error: what pipes and guards refuse is an answer to a request. */
  private isFailure({ envelope, failure, responder }: Run, error: unknown): boolean {
    if (responder?.refusal && error === responder.refusal) return false;
    return envelope.feedbackTopic === null || (failure !== undefined && !this.options.isAnswer(failure));
  }

  private async delay(delayMs: number, run: Run): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.clock.setTimeout(resolve, delayMs);
      run.onAbort(() => {
        this.clock.clearTimeout(timer);
        resolve();
      });
    });
  }

  private async onFailure(run: Run, { pattern }: Listener, error: unknown): Promise<void> {
    const { logger, errorValue, maxAnswerBytes } = this.options;
    const { responder, envelope, failure } = run;
    if (responder) {
      const { refusal } = responder;
      // What the handler threw is Nest's to log, and arrives as from Nest, be it one of our own errors; what became of its answers is ours.
      const refused = refusal && error === refusal;
      if (refused) logger.error(`'${pattern}' could not answer: ${describeError(error)}`);
      const { text, details } = refused ? refusedAnswer(refusal) : answerError(error, errorValue, maxAnswerBytes);
      await responder.endWithError(text, details);
    } else {
      const what = envelope.feedbackTopic === null ? 'event' : 'request';
      logger.error(`The ${what} '${pattern}' failed: ${describeError(failure ?? error)}`);
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

function handlerFailed(pattern: string, cause: unknown, tries: number): StreambackMessageError {
  const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : inspect(cause, { depth: 1 });
  return new StreambackMessageError('HANDLER_FAILED', `'${pattern}' failed ${tries} times, the last time with ${why}`, { cause });
}

/** For the log. Whatever a handler throws: JSON and String() throw on some values themselves. */
export function describeError(error: unknown): string {
  if (error instanceof StreambackError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : inspect(error, { depth: 3 });
}
