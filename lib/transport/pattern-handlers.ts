import type { MessageHandler } from '@nestjs/microservices';
import { concat, defer, EMPTY, from, isObservable, of, throwError, type Observable } from 'rxjs';
import { catchError, concatWith, ignoreElements, mergeMap } from 'rxjs/operators';
import { StreambackConfigError } from '../common/errors';
import { checkOptions } from '../common/option-rules';
import { answerError } from '../consumer/answer-error';
import { fromSource, isSource } from '../consumer/answers';
import type { BatchRun } from '../consumer/batch-run';
import type { StreambackListenerOptions } from '../consumer/listener';
import type { Run } from '../consumer/run';
import { BATCH_RULES } from '../streamback.option-rules';
import { batchOptionsOf, DEFAULT_BATCH_OPTIONS, type StreambackBatchOptions } from './batch-pattern.decorator';
import { errorValue, isAnswer } from './error-value';
import { addListenerOptions } from './listener';
import type { StreambackBatchContext } from './streamback.batch-context';
import type { StreambackContext } from './streamback.context';

/** A handler that takes messages many at a time. */
export interface BatchHandler {
  readonly size: number;
  readonly maxWaitMs: number;
  /** Handles the messages of a batch: to Nest they are one, whose data is the array. */
  handle(batch: BatchRun, context: StreambackBatchContext): unknown;
}

/** All handlers of one pattern: any number that answer, and any number that only take events; or one that takes batches. */
export class PatternHandlers {
  /** What the handlers say of their options, together. */
  options: StreambackListenerOptions = {};
  batch?: BatchHandler;
  private readonly messages: MessageHandler[] = [];
  private readonly events: MessageHandler[] = [];

  /** @param topic the full topic name */
  constructor(
    readonly pattern: string,
    readonly topic: string,
  ) {}

  /**
   * @throws StreambackConfigError INVALID_PATTERN for a handler beside one that takes batches; INVALID_OPTION
   */
  add(handler: MessageHandler, isEvent: boolean, extras: object): void {
    const batch = batchOptionsOf(extras);
    if (this.batch || (batch && this.messages.length + this.events.length > 0)) {
      throw new StreambackConfigError('INVALID_PATTERN', `The pattern '${this.pattern}' has a @BatchPattern beside another handler`, {
        remedy: 'Keep one of them, or give them groups of their own: two connections.',
      });
    }
    if (batch) return this.addBatch(handler, batch);
    this.options = addListenerOptions(this.pattern, this.options, extras);
    (isEvent ? this.events : this.messages).push(handler);
  }

  /** How many handlers answer a request. */
  get answering(): number {
    return this.messages.length;
  }

  /** Whether nothing here answers: what comes is an event, also where its sender has made a request of it, as Python streamback does. */
  get takesEvents(): boolean {
    return this.messages.length === 0 && !this.batch;
  }

  private addBatch(handler: MessageHandler, given: StreambackBatchOptions): void {
    checkOptions<StreambackBatchOptions>(given, BATCH_RULES, `batch(${this.pattern})`);
    const { size = DEFAULT_BATCH_OPTIONS.size, maxWaitMs = DEFAULT_BATCH_OPTIONS.maxWaitMs, connection: _, ...options } = given;
    this.options = options;
    const valuesOf = ({ runs }: BatchRun): unknown[] => runs.map(({ envelope }) => envelope.value);
    this.batch = { size, maxWaitMs, handle: (batch, context) => handler(valuesOf(batch), context) };
  }

  /**
   * Handles one message: a request, also one that nobody waits for any more, goes to all that answer, an event to all that take events;
   * each to the other's for want of its own.
   */
  handle(run: Run, context: StreambackContext): unknown {
    const { messages, events } = this;
    const { value, feedbackTopic, wasRequest } = run.envelope;
    const answered = feedbackTopic !== null;
    if (messages.length === 0 || (events.length > 0 && !answered && !wasRequest)) {
      return events.length === 1 && !answered ? events[0]!(value, context) : this.takeByAll(run, context);
    }
    return messages.length === 1 ? messages[0]!(value, context) : this.answerByAll(run, context);
  }

  /** All run side by side, and whatever becomes of the others; nothing is answered; what they fail with is that of the whole, once all have ended. */
  private takeByAll(run: Run, context: StreambackContext): Observable<never> {
    const failures: Failed[] = [];
    const handled = from(this.events).pipe(mergeMap((handler) => resultOf(handler, run, context, failures).pipe(ignoreElements())));
    return handled.pipe(concatWith(outcomeOf(run, failures)));
  }

  /** All run, one after another as they were declared, and whatever becomes of the others: the answers of each, and one end. */
  private answerByAll(run: Run, context: StreambackContext): Observable<unknown> {
    const failures: Failed[] = [];
    return concat(...this.messages.map((handler) => resultOf(handler, run, context, failures)), outcomeOf(run, failures));
  }
}

/** What a handler failed with: as its requester is told of it, and as it was thrown, if that is known. */
interface Failed {
  readonly told: unknown;
  readonly thrown: unknown;
}

/** What one of several handlers gives, without its failure, which is noted. */
function resultOf(handler: MessageHandler, run: Run, context: StreambackContext, failures: Failed[]): Observable<unknown> {
  return defer(async () => handler(run.envelope.value, context)).pipe(
    mergeMap((result) => elementsOf(result, run)),
    catchError((told: unknown) => {
      failures.push({ told, thrown: run.failure });
      // The next one's is to be noted, too.
      run.failure = undefined;
      return EMPTY;
    }),
  );
}

/** The failure of the whole, in one: of several the texts, joined as Python joins them. */
function outcomeOf(run: Run, failures: readonly Failed[]): Observable<never> {
  return defer(() => {
    const [first] = failures;
    if (!first) return EMPTY;
    const thrown = failures.map((each) => each.thrown).filter((error) => error !== undefined);
    // What is more than an answer decides whether all are tried again.
    run.failure = thrown.find((error) => !isAnswer(error)) ?? thrown[0] ?? run.failure;
    const told =
      failures.length === 1
        ? first.told
        : { status: 'error', message: failures.map((each) => answerError(each.told, errorValue, Infinity).text).join(', ') };
    return throwError(() => told);
  });
}

function elementsOf(result: unknown, run: Run): Observable<unknown> {
  if (isObservable(result)) return result;
  return isSource(result) ? fromSource(result, run) : of(result);
}
