import { inspect } from 'node:util';
import { StreambackError, type StreambackAbortError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { runInCall } from '../context/call-context';
import type { FeedbackWriter } from '../inbox/feedback-writer';
import type { Inbox } from '../inbox/inbox';
import type { Envelope } from '../protocol/envelope';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { MainStreamDelivery } from '../streams/main-stream';
import { answerError } from './answer-error';
import { listFrames, runFrames } from './frame-format';
import type { Listener } from './listener';
import { pump } from './pump';
import { Responder } from './responder';
import { Run } from './run';
import type { RunRegistry } from './run-registry';

/** One message on its way through its listener. */
export interface Task {
  readonly listener: Listener;
  readonly delivery: MainStreamDelivery;
  readonly envelope: Envelope;
}

/** What answers go by. */
export interface ConsumerFeedback {
  readonly stream: FeedbackStream;
  readonly inbox: Inbox;
  readonly writer: FeedbackWriter;
}

export interface RunnerOptions {
  readonly group: string;
  readonly maxAnswerBytes: number;
  readonly logger: StreambackLogger;
  /** What a requester is told of an error: as Nest's own transports tell it. */
  readonly errorValue: (error: unknown) => unknown;
}

/** `again`: it was aborted, and the message is to be delivered again. */
export type RunOutcome = 'done' | 'failed' | 'again';

/** Aborts after which the message comes again, here or elsewhere. */
const DELIVERED_AGAIN: ReadonlySet<string> = new Set(['SHUTDOWN', 'REVOKED']);

/** Runs listeners: gives each message its run and its responder, and writes what comes of it. */
export class Runner {
  constructor(
    private readonly registry: RunRegistry,
    private readonly feedback: ConsumerFeedback | undefined,
    private readonly options: RunnerOptions,
  ) {}

  /**
   * Resolves once the end is stored (M2).
   * @param attempt from 1
   * @throws StreambackError when the end cannot be written
   */
  async run({ listener, delivery, envelope }: Task, attempt: number): Promise<RunOutcome> {
    const { message, revoked } = delivery;
    const id = envelope.id ?? `${message.topic}-${message.partition}-${message.offset}`;
    const responder = this.responderFor(listener, envelope, message.rank, attempt, (reason) => run.abort(reason));
    const run: Run = new Run(id, envelope, message, attempt, envelope.deadline ?? Infinity, responder, listener.options.cancellable);
    this.registry.add(run, revoked);
    let outcome: RunOutcome = 'done';
    try {
      await runInCall(run, () => pump(call(listener, run), run));
      if (!run.aborted) await responder?.end();
    } catch (error) {
      outcome = 'failed';
      await this.onFailure(run, listener, error);
    } finally {
      run.isOver = true;
      run.onOver?.();
      this.registry.delete(run, revoked);
    }
    if (!run.aborted) return outcome;
    responder?.abandon();
    return DELIVERED_AGAIN.has(run.aborted.code) ? 'again' : 'done';
  }

  private async onFailure(run: Run, { pattern }: Listener, error: unknown): Promise<void> {
    const { logger, errorValue, maxAnswerBytes } = this.options;
    const { aborted, responder, envelope, failure } = run;
    if (aborted) return logger.debug(`'${pattern}' failed after it was aborted: ${describeError(error)}`);
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

/** For the log. Whatever a handler throws: JSON and String() throw on some values themselves. */
export function describeError(error: unknown): string {
  if (error instanceof StreambackError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : inspect(error, { depth: 3 });
}
