import type { MessageHandler } from '@nestjs/microservices';
import { defer, EMPTY, from, isObservable, of, throwError, type Observable } from 'rxjs';
import { catchError, concatWith, ignoreElements, mergeMap } from 'rxjs/operators';
import { StreambackConfigError } from '../common/errors';
import { checkOptions } from '../common/option-rules';
import { fromSource, isSource } from '../consumer/answers';
import type { BatchRun } from '../consumer/batch-run';
import type { StreambackListenerOptions } from '../consumer/listener';
import type { Run } from '../consumer/run';
import { BATCH_RULES } from '../streamback.option-rules';
import { batchOptionsOf, DEFAULT_BATCH_OPTIONS, type StreambackBatchOptions } from './batch-pattern.decorator';
import { addListenerOptions } from './listener';
import type { StreambackBatchContext } from './streamback.batch-context';
import type { StreambackContext } from './streamback.context';

/** A handler that takes messages many at a time. */
interface BatchHandler {
  readonly size: number;
  readonly maxWaitMs: number;
  readonly handler: MessageHandler;
}

/** All handlers of one pattern: one that answers, and any number that only take events; or one that takes batches. */
export class PatternHandlers {
  /** What the handlers say of their options, together. */
  options: StreambackListenerOptions = {};
  batch?: BatchHandler;
  private message?: MessageHandler;
  private readonly events: MessageHandler[] = [];

  /** @param topic the full topic name */
  constructor(
    readonly pattern: string,
    readonly topic: string,
  ) {}

  /**
   * @throws StreambackConfigError INVALID_PATTERN for a second handler that answers, which Nest would put silently in the first one's
   * place, and for one beside a handler that takes batches; INVALID_OPTION
   */
  add(handler: MessageHandler, isEvent: boolean, extras: object): void {
    const batch = batchOptionsOf(extras);
    if (this.batch || (batch && (this.message || this.events.length > 0))) {
      throw new StreambackConfigError('INVALID_PATTERN', `The pattern '${this.pattern}' has a @BatchPattern beside another handler`, {
        remedy: 'Keep one of them, or give them groups of their own: two connections.',
      });
    }
    if (batch) return this.addBatch(handler, batch);
    this.options = addListenerOptions(this.pattern, this.options, extras);
    if (isEvent) this.events.push(handler);
    else if (this.message) {
      throw new StreambackConfigError(
        'INVALID_PATTERN',
        `The pattern '${this.pattern}' has two @MessagePattern handlers: which one is to answer?`,
        {
          remedy: 'Keep one, or make the other an @EventPattern.',
        },
      );
    } else this.message = handler;
  }

  private addBatch(handler: MessageHandler, given: StreambackBatchOptions): void {
    checkOptions<StreambackBatchOptions>(given, BATCH_RULES, `batch(${this.pattern})`);
    const { size = DEFAULT_BATCH_OPTIONS.size, maxWaitMs = DEFAULT_BATCH_OPTIONS.maxWaitMs, connection: _, ...options } = given;
    this.options = options;
    this.batch = { size, maxWaitMs, handler };
  }

  /** Handles the messages of a batch: to Nest they are one, whose data is the array. */
  handleBatch({ runs }: BatchRun, context: StreambackBatchContext): unknown {
    return this.batch!.handler(
      runs.map(({ envelope }) => envelope.value),
      context,
    );
  }

  /** Handles one message: a request, also one that nobody waits for any more, goes to the handler that answers, an event to all that take events; each to the other's for want of its own. */
  handle(run: Run, context: StreambackContext): unknown {
    const { value, feedbackTopic, wasRequest } = run.envelope;
    const answered = feedbackTopic !== null;
    if (this.message && (answered || wasRequest || this.events.length === 0)) return this.message(value, context);
    return this.events.length === 1 && !answered ? this.events[0]!(value, context) : this.handleByAll(run, context);
  }

  /** All run, whatever becomes of the others; nothing is answered; the first failure is that of the whole, once all have ended. */
  private handleByAll(run: Run, context: StreambackContext): Observable<never> {
    const failures: unknown[] = [];
    return from(this.events).pipe(
      mergeMap((handler) =>
        defer(async () => handler(run.envelope.value, context)).pipe(
          mergeMap((result) => elementsOf(result, run)),
          ignoreElements(),
          catchError((error: unknown) => {
            failures.push(error);
            return EMPTY;
          }),
        ),
      ),
      concatWith(defer(() => (failures.length > 0 ? throwError(() => failures[0]) : EMPTY))),
    );
  }
}

function elementsOf(result: unknown, run: Run): Observable<unknown> {
  if (isObservable(result)) return result;
  return isSource(result) ? fromSource(result, run) : of(result);
}
