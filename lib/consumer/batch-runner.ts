import { isObservable, lastValueFrom, Observable } from 'rxjs';
import { takeUntil } from 'rxjs/operators';
import type { Clock } from '../common/clock';
import { runInCall } from '../context/call-context';
import { refusedAnswer } from './answer-error';
import { fromSource, isSource } from './answers';
import { BatchedRun, BatchRun } from './batch-run';
import type { Failure } from './attempt';
import type { BatchSlot, Keyed } from './batch-order';
import type { HookedMessage } from './hooked-message';
import type { BatchListener, Listener } from './listener';
import type { Run } from './run';
import { DELIVERED_AGAIN, mayRestart, type Runner } from './runner';
import type { RunOutcome } from './run-result';
import type { Task } from './task';

/** A message on its way through batches. */
export interface BatchEntry extends Keyed<Task> {
  /** Of its next run, from 1. */
  attempt: number;
  /** Tries that failed with it. */
  failures: number;
  /** Epoch ms of its first try. */
  readonly firstAt: number;
  /** Tells hooks of it, where there are any. */
  readonly hooked: HookedMessage | undefined;
  /** What became of it; nothing while it is to be run. */
  outcome?: RunOutcome;
}

/** An entry that is run just now. */
interface Running {
  readonly entry: BatchEntry;
  readonly run: Run;
}

export interface BatchRunnerOptions {
  /** What becomes of a message that was handled and whose end cannot be written. */
  readonly unanswered: (task: Task, error: unknown) => RunOutcome;
  readonly clock: Clock;
}

/**
 * Runs batch handlers. A batch that fails is tried again as a whole, then taken apart, half by half, until the messages that make it
 * fail stand alone: these have failed, the others are handled.
 */
export class BatchRunner {
  constructor(
    private readonly runner: Runner,
    private readonly options: BatchRunnerOptions,
  ) {}

  /**
   * Gives each entry its outcome. Never rejects.
   * @returns work that was stopped and may go on: resolves when it has really ended
   */
  async run(listener: Listener, entries: readonly BatchEntry[], slot: Pick<BatchSlot, 'rest'>): Promise<Promise<unknown>[]> {
    const lingering: Promise<unknown>[] = [];
    await this.handle({ listener, batch: listener.batch!, slot, lingering, again: new Set() }, entries, listener.options.retry.times ?? 0);
    return lingering;
  }

  /** Resolves when hooks have heard of a message's end. Never rejects. */
  async tellEnd({ hooked, outcome = 'again', task }: BatchEntry): Promise<void> {
    if (hooked) await this.runner.tellEnd(hooked, outcome, task);
  }

  /** @param retries how often the whole may be tried again */
  private async handle(work: Work, entries: readonly BatchEntry[], retries: number): Promise<void> {
    let left = entries;
    for (let tries = 1; left.length > 0; tries++) {
      const verdict = await this.attempt(work, left, tries <= retries ? tries : undefined);
      left = left.filter(({ outcome }) => outcome === undefined);
      if (verdict === 'apart') break;
    }
    if (left.length === 0) return;
    const middle = Math.ceil(left.length / 2);
    for (const half of [left.slice(0, middle), left.slice(middle)]) await this.handle(work, half, 0);
  }

  /**
   * Runs entries once, together. Those that are not to be run again have their outcome then.
   * @param tries of the whole so far, where it may be tried again; then it waits until that is due
   */
  private async attempt(work: Work, entries: readonly BatchEntry[], tries: number | undefined): Promise<'again' | 'apart'> {
    const running = await this.begin(work, entries);
    const begun = running.flatMap(({ entry, run }) => (entry.hooked && !run.aborted ? [entry.hooked.begin(run)] : []));
    if (begun.length > 0) await Promise.all(begun);
    const wanted = running.filter(({ run }) => !run.aborted);
    const batch = new BatchRun(wanted.map(({ run }) => run));
    try {
      if (wanted.length === 0) return 'again';
      const result = await this.call(work, batch);
      const left = wanted.filter(({ run }) => !run.aborted);
      if ('answers' in result) {
        const answerTo = answersOf(result.answers, wanted);
        await Promise.all(left.map(({ entry, run }) => this.answer(entry, run, answerTo(run))));
        return 'again';
      }
      const delayMs = tries === undefined ? undefined : this.delayMs(work, left, tries, result);
      for (const { entry, run } of left) {
        if (this.runner.isFailure(run, result)) entry.failures += 1;
        if ((delayMs === undefined && wanted.length === 1) || !mayRestart(run)) await this.giveUp(work.listener, entry, run, result);
        else run.responder?.abandon();
      }
      if (delayMs === undefined) return 'apart';
      const { retry } = work.listener.hooks ?? {};
      for (const { entry, run } of left) {
        if (entry.outcome === undefined) retry?.(run, { error: run.causeOf(result.error), attempt: run.attempt, delayMs });
      }
      await work.slot.rest(this.runner.delay(delayMs, batch));
      if (this.runner.isLeaving) for (const { entry } of left) entry.outcome ??= 'again';
      return 'again';
    } finally {
      for (const { entry, run } of running) {
        if (run.aborted) entry.outcome = DELIVERED_AGAIN.has(run.aborted.code) ? 'again' : 'done';
        if (entry.outcome === 'again' && entry.key !== null) work.again.add(entry.key);
        this.runner.end(run, entry.task);
      }
      this.runner.tellOver(batch);
    }
  }

  /** Gives each entry a run, but those that are to be given back: they, and what follows one of them with the same key. */
  private async begin({ again }: Work, entries: readonly BatchEntry[]): Promise<Running[]> {
    const running: Running[] = [];
    for (const entry of entries) {
      if (!(await this.runner.reachable(entry.task))) entry.outcome = 'again';
    }
    for (const entry of entries) {
      if (entry.task.delivery.revoked.aborted || (entry.key !== null && again.has(entry.key))) entry.outcome = 'again';
      if (entry.outcome === 'again' && entry.key !== null) again.add(entry.key);
      if (entry.outcome !== undefined) continue;
      const run = this.runner.begin(entry.task, entry.attempt, entry.hooked, BatchedRun);
      entry.attempt += 1;
      if (run.expiresAt <= this.options.clock.now()) run.expire();
      running.push({ entry, run });
    }
    return running;
  }

  /** Calls the handler; an abort of all its messages ends the wait for it. */
  private async call({ batch: listener, lingering }: Work, batch: BatchRun): Promise<{ readonly answers: unknown } | Failure> {
    const handled = runInCall(batch, async () => resultOf(await listener.handle(batch), batch)).then(
      (answers) => (batch.failure === undefined ? { answers } : { error: batch.failure, concealed: true }),
      (error: unknown) => ({ error, concealed: false }),
    );
    const aborted = new Promise<{ answers: undefined }>((resolve) => batch.onAbort(() => resolve({ answers: undefined })));
    const result = await Promise.race([handled, aborted]);
    if (batch.aborted) lingering.push(Promise.allSettled([handled, ...batch.lingering]));
    return result;
  }

  private delayMs({ listener }: Work, left: readonly Running[], tries: number, failed: Failure): number | undefined {
    const failing = left.find(({ run }) => this.runner.isFailure(run, failed));
    return failing && this.runner.delayMs(listener, tries, failing.run.causeOf(failed.error));
  }

  /** Writes a message's end. */
  private async answer(entry: BatchEntry, run: Run, answer: unknown): Promise<void> {
    const { responder } = run;
    try {
      try {
        if (answer !== undefined) responder?.write(answer);
      } catch (error) {
        if (!responder?.refusal || error !== responder.refusal) throw error;
        const { text, details } = refusedAnswer(responder.refusal);
        await responder.endWithError(text, details);
      }
      await responder?.end();
      entry.outcome = 'done';
    } catch (error) {
      this.unanswered(entry, error);
    }
  }

  /** A message stands alone and has failed: it is put aside where its listener says so, and its requester is told. */
  private async giveUp(listener: Listener, entry: BatchEntry, run: Run, failed: Failure): Promise<void> {
    const { task, failures: attempts, firstAt } = entry;
    const cause = run.causeOf(failed.error);
    try {
      listener.hooks?.error?.(run, cause);
      if (this.runner.isFailure(run, failed) && !(await this.runner.putAside(run, task, { attempts, firstAt }, cause))) {
        entry.outcome = 'again';
        return;
      }
      await this.runner.onFailure(run, listener, failed);
      entry.outcome = 'failed';
    } catch (error) {
      this.unanswered(entry, error);
    }
  }

  private unanswered(entry: BatchEntry, error: unknown): void {
    entry.hooked?.unanswered(error);
    entry.outcome = this.options.unanswered(entry.task, error);
  }
}

/** What belongs to a batch all the way. */
interface Work {
  readonly listener: Listener;
  readonly batch: BatchListener;
  readonly slot: Pick<BatchSlot, 'rest'>;
  readonly lingering: Promise<unknown>[];
  /** Keys of which a message is to come again. */
  readonly again: Set<string>;
}

/** What a handler returned, or the last value of an Observable that it returned, which an abort tears down. */
function resultOf(given: unknown, batch: BatchRun): unknown {
  const source = isSource(given) ? fromSource(given, batch) : given;
  if (!isObservable(source)) return source;
  const aborted = new Observable<void>((subscriber) => {
    const tell = (): void => subscriber.next();
    batch.onAbort(tell);
    return () => batch.offAbort(tell);
  });
  return lastValueFrom(source.pipe(takeUntil(aborted)), { defaultValue: undefined });
}

/** The answer to each request: its own element of an array as long as the batch. */
function answersOf(answers: unknown, wanted: readonly Running[]): (run: Run) => unknown {
  if (!Array.isArray(answers) || answers.length !== wanted.length) return () => undefined;
  const byRun = new Map(wanted.map(({ run }, index) => [run, answers[index] as unknown]));
  return (run) => byRun.get(run);
}
