import { inspect } from 'node:util';
import type { Clock } from '../common/clock';
import { StreambackError, StreambackMessageError, type StreambackAbortError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { runInCall } from '../context/call-context';
import type { FeedbackWriter } from '../inbox/feedback-writer';
import type { Inbox } from '../inbox/inbox';
import type { Envelope } from '../protocol/envelope';
import type { FeedbackStream } from '../streams/feedback-stream';
import { answerError } from './answer-error';
import type { DeadLetterFacts } from './dead-letter';
import type { DeadLetters } from './dead-letters';
import { listFrames, runFrames } from './frame-format';
import type { Slot } from './key-order';
import type { Listener } from './listener';
import { pump } from './pump';
import { retryDelayMs } from './retry';
import { Responder } from './responder';
import { INBOX_LOST, Run } from './run';
import type { RunRegistry } from './run-registry';
import type { Task } from './task';

/** What answers go by. */
export interface ConsumerFeedback {
  readonly stream: FeedbackStream;
  readonly inbox: Inbox;
  readonly writer: FeedbackWriter;
}

export interface RunnerOptions {
  readonly group: string;
  /** Whether an error is what a handler has to say, rather than its failure: neither retried nor dead-lettered. */
  readonly isAnswer: (error: unknown) => boolean;
  readonly maxAnswerBytes: number;
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

/** Between looks for an inbox that could not be made, in ms. */
const INBOX_RETRY_MS = 200;
/** Aborts after which the message comes again, here or elsewhere. */
const DELIVERED_AGAIN: ReadonlySet<string> = new Set(['SHUTDOWN', 'REVOKED']);

/** Runs listeners: gives each message its runs and responders, tries again what fails, and writes what comes of it. */
export class Runner {
  constructor(
    private readonly registry: RunRegistry,
    private readonly deadLetters: DeadLetters,
    private readonly feedback: ConsumerFeedback | undefined,
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
      if (this.isUnreachable(task)) await this.reachable(task);
      if (task.delivery.revoked.aborted) return { outcome: 'again' };
      const run = this.begin(task, attempt + tries - 1);
      try {
        if (delayMs !== undefined) await slot.rest(this.delay(delayMs, run));
        if (run.expiresAt <= this.clock.now()) run.expire();
        const failed = run.aborted ? undefined : await this.attempt(run, task.listener);
        if (failed && !run.aborted) {
          delayMs = this.retryDelayMs(run, task.listener, tries, failed.error);
          if (delayMs !== undefined) continue;
          if (!(await this.putAside(run, task, { attempts: tries, firstAt }, failed.error))) return { outcome: 'again' };
          await this.onFailure(run, task.listener, failed.error);
        }
        if (!run.aborted) return { outcome: failed ? 'failed' : 'done' };
        const result = this.abandoned(run);
        if (run.aborted !== INBOX_LOST) return result;
        // Its requester still waits.
        await result.lingering;
        delayMs = undefined;
      } finally {
        this.registry.delete(run, task.delivery.revoked);
        this.over(run);
      }
    }
  }

  /** Whether the inbox that a run would name does not exist just now: control sent to it would be lost. */
  private isUnreachable({ envelope }: Task): boolean {
    return this.feedback !== undefined && envelope.feedbackTopic !== null && !this.feedback.inbox.isOpen;
  }

  /** Waits for the inbox as long as the message is ours: a run without one could neither be stopped nor given credit. */
  private async reachable(task: Task): Promise<void> {
    while (this.isUnreachable(task) && !task.delivery.revoked.aborted) {
      const isOpen = await this.feedback!.inbox.open().then(
        () => true,
        () => false,
      );
      if (!isOpen) await new Promise<void>((resolve) => this.clock.setTimeout(resolve, INBOX_RETRY_MS));
    }
  }

  private begin({ listener, delivery, envelope }: Task, attempt: number): Run {
    const { message, revoked } = delivery;
    const id = envelope.id ?? `${message.topic}-${message.partition}-${message.offset}`;
    const responder = this.responderFor(listener, envelope, message.rank, attempt, (reason) => run.abort(reason));
    const run: Run = new Run(id, envelope, message, attempt, envelope.deadline ?? Infinity, responder, listener.options.cancellable);
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

  /** How long to wait for the next try; nothing when there is to be none. */
  private retryDelayMs(run: Run, { pattern, options }: Listener, tries: number, error: unknown): number | undefined {
    if (!this.isFailure(run, error)) return undefined;
    const cause = run.failure ?? error;
    const delayMs = retryDelayMs(options.retry, tries, cause);
    if (delayMs === undefined) return undefined;
    run.responder?.abandon();
    this.options.logger.debug(`'${pattern}' failed and is tried again in ${delayMs} ms: ${describeError(cause)}`);
    return delayMs;
  }

  /** Dead-letters what has failed for good. @returns whether it is done with; else it is to come again */
  private async putAside(run: Run, task: Task, facts: Pick<DeadLetterFacts, 'attempts' | 'firstAt'>, error: unknown): Promise<boolean> {
    if (!this.isFailure(run, error)) return true;
    const why = handlerFailed(task.listener.pattern, run.failure ?? error, facts.attempts);
    const isRequest = run.envelope.feedbackTopic !== null;
    return this.deadLetters.putAside(task, { ...facts, error: why, lastAt: this.clock.now() }, isRequest);
  }

  private abandoned({ aborted, handler, lingering }: Run): RunResult {
    if (DELIVERED_AGAIN.has(aborted!.code)) return { outcome: 'again' };
    // Its key and its slot stay taken as long as it works, or a client could lift any limit by cancelling.
    return { outcome: 'done', lingering: Promise.allSettled([handler, ...lingering]) };
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
  private isFailure({ envelope, failure }: Run, error: unknown): boolean {
    if (envelope.feedbackTopic === null) return true;
    // An answer that cannot be sent is refused the next time as well.
    if (error instanceof StreambackError && !error.retryable) return false;
    return failure !== undefined && !this.options.isAnswer(failure);
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
    // What the handler threw is Nest's to log; what became of its answers, or of an event, is ours.
    if (error instanceof StreambackError) logger.error(`'${pattern}' could not answer: ${describeError(error)}`);
    if (responder) {
      const { text, details } = answerError(error, errorValue, maxAnswerBytes);
      await responder.endWithError(text, details);
    } else {
      const what = envelope.feedbackTopic === null ? 'event' : 'request';
      logger.error(`The ${what} '${pattern}' failed: ${describeError(failure ?? error)}`);
    }
  }

  /** Null where nothing is answered: for an event, or for want of a feedback stream that reaches the requester. */
  private responderFor(
    { pattern, options: { maxBuffered } }: Listener,
    { id, feedbackTopic, inbox, credit }: Envelope,
    run: number,
    attempt: number,
    onGone: (reason: StreambackAbortError) => void,
  ): Responder | null {
    if (feedbackTopic === null || !this.feedback) return null;
    const { group: sourceGroup, maxAnswerBytes } = this.options;
    const { stream, writer, inbox: own } = this.feedback;
    const byInbox = inbox !== undefined && id !== undefined;
    if (!byInbox && !stream.capabilities.lists) return null;
    return new Responder({
      writer,
      pattern,
      maxAnswerBytes,
      maxBuffered,
      credit,
      onGone,
      target: byInbox ? { form: 'inbox', key: inbox } : { form: 'list', key: feedbackTopic },
      // Only our own clients give an id, and only they know numbered frames.
      format: id === undefined ? listFrames(sourceGroup) : runFrames({ id, sourceGroup, run, attempt, instance: own.key }),
    });
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
