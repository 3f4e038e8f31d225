import type { StreambackAbortError } from '../common/errors';
import type { CallContext } from '../context/call-context';
import { Run } from './run';
import { Teardowns, type Teardown } from './teardowns';

/** The run of a message within a batch. */
export class BatchedRun extends Run {
  /** The others of its batch are not begun anew for it: it goes on, and waits for no credit, which nobody can give any more. */
  override loseInbox(): void {
    this.responder?.grant(Infinity);
  }
}

/** One execution of a batch handler, for all its messages. */
export class BatchRun implements CallContext {
  /** Called once it is over, whatever became of it. */
  onOver?: () => void;
  /** What goes on although it was torn down. */
  readonly lingering: Promise<unknown>[] = [];
  private wanted: number;
  private abortedBy?: StreambackAbortError;
  private readonly controller = new AbortController();
  private readonly teardowns = new Teardowns();

  /** @param runs one for each message, in their order; none of them is aborted */
  constructor(readonly runs: readonly Run[]) {
    this.wanted = runs.length;
    for (const run of runs) run.onAbort((reason) => this.lose(reason));
  }

  /** The latest of its messages': what is done for all is worth doing as long as somebody waits. */
  get deadline(): number {
    return this.runs.reduce((latest, { deadline }) => Math.max(latest, deadline), 0);
  }

  /** Why it was aborted: once none of its messages is wanted here any more. */
  get aborted(): StreambackAbortError | undefined {
    return this.abortedBy;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The error as the handler threw it, before exception filters; undefined while it has not failed. */
  get failure(): unknown {
    return this.runs[0]?.failure;
  }

  /** Has `teardown` called at an abort, at once if it has come already. */
  onAbort(teardown: Teardown): void {
    if (this.abortedBy) teardown(this.abortedBy);
    else this.teardowns.add(teardown);
  }

  /** Takes back what {@link onAbort} was given. */
  offAbort(teardown: Teardown): void {
    this.teardowns.delete(teardown);
  }

  /** What it answers is written when it has ended. */
  room(): undefined {
    return undefined;
  }

  lingers(work: Promise<unknown>): void {
    this.lingering.push(work);
  }

  noteRefusal(error: unknown): void {
    for (const run of this.runs) run.noteRefusal(error);
  }

  noteFailure(error: unknown, by?: unknown): void {
    for (const run of this.runs) run.noteFailure(error, by);
  }

  noteSuccess(by: unknown): void {
    for (const run of this.runs) run.noteSuccess(by);
  }

  private lose(reason: StreambackAbortError): void {
    this.wanted -= 1;
    if (this.wanted > 0) return;
    this.abortedBy = reason;
    this.controller.abort(reason);
    this.teardowns.run(reason);
  }
}
