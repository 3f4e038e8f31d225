import type { Expiring } from '../common/deadlines';
import { StreambackAbortError } from '../common/errors';
import type { CallContext } from '../context/call-context';
import type { Envelope } from '../protocol/envelope';
import type { MainStreamMessage } from '../streams/main-stream';
import type { Responder } from './responder';
import { Teardowns, type Teardown } from './teardowns';

/** So far may the clocks of client and consumer differ, in ms, before a request is held to be late: its client's own cancel is exact. */
export const CLOCK_TOLERANCE_MS = 1_000;

/** Aborts for want of somebody who waits; the message is done with all the same. */
const NOBODY_WAITS: ReadonlySet<string> = new Set(['CANCELLED', 'CLIENT_LOST', 'DEADLINE_EXCEEDED']);

/** Why a run is begun anew under the name of the next inbox. */
export const INBOX_LOST = new StreambackAbortError('CLIENT_LOST', 'The inbox by which its client reaches it is gone');

/** A run that has begun, as the watch over silent ones keeps it. */
export interface Begun {
  /** Nothing once it is over. */
  run: Run | undefined;
  /** Epoch ms. */
  readonly at: number;
}

/** One execution of a handler for a message. */
export class Run implements CallContext, Expiring {
  /** The error as the handler threw it, before exception filters; undefined while it has not failed. */
  failure: unknown;
  /** What the handler gave. */
  handler: unknown;
  /** What goes on although it was torn down. */
  lingering: Promise<unknown>[] | undefined;
  /** Called once it is over, whatever became of it. */
  onOver?: () => void;
  /** Set while an answer that is a source itself is written: what its handler has to say next waits for it. */
  nested?: Promise<void> | undefined;
  /** What handlers and hooks are given of it, once somebody needs that. */
  context: unknown;
  /** What the watch over silent runs knows of it. */
  begun?: Begun;
  /** Its number among what ends with its partition. */
  ownedAs = -1;
  /** It has ended, for whatever reason. */
  isOver = false;
  private failedBy: unknown;
  private refused: unknown;
  private abortedBy?: StreambackAbortError;
  private controller?: AbortController;
  private readonly teardowns = new Teardowns();

  /**
   * @param id unique, the same on every attempt
   * @param attempt from 1
   * @param deadline epoch ms, or Infinity
   * @param responder where answers go; null in an event
   * @param cancellable whether it is stopped when nobody waits any more; it is always stopped when its message is not ours any more
   */
  constructor(
    readonly id: string,
    readonly envelope: Envelope,
    readonly message: MainStreamMessage,
    readonly attempt: number,
    readonly deadline: number,
    readonly responder: Responder | null,
    private readonly cancellable = true,
  ) {}

  get expiresAt(): number {
    return this.deadline + CLOCK_TOLERANCE_MS;
  }

  expire(): void {
    this.abort(new StreambackAbortError('DEADLINE_EXCEEDED', 'The deadline of the request has passed'));
  }

  /** Why it was aborted, if it was. */
  get aborted(): StreambackAbortError | undefined {
    return this.abortedBy;
  }

  /** Made when first asked for: most handlers never do, and a controller costs more than a small handler. */
  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.abortedBy) this.controller.abort(this.abortedBy);
    }
    return this.controller.signal;
  }

  /** Its client can neither stop it nor give it credit any more: it is begun anew, or, where it must finish, waits for no credit. */
  loseInbox(): void {
    if (this.cancellable) this.abort(INBOX_LOST);
    else this.responder?.grant(Infinity);
  }

  /**
   * Its handler has ended, and its answers are only to be stored: what it was given and gave would be kept for as long. Who runs the
   * message once more decodes it anew.
   */
  letGo(): void {
    this.handler = undefined;
    this.envelope.value = undefined;
  }

  /** Stops the handler: its signal aborts, what it returned is torn down. The first reason stays. */
  abort(reason: StreambackAbortError): void {
    if (this.abortedBy || this.isOver) return;
    if (!this.cancellable && NOBODY_WAITS.has(reason.code)) return this.responder?.abandon();
    this.abortedBy = reason;
    // Its end may wait for credit that nobody gives any more.
    this.responder?.abandon();
    this.controller?.abort(reason);
    this.teardowns.run(reason);
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

  /** @throws what {@link Responder.write} throws */
  async respond(value: unknown): Promise<void> {
    if (!this.responder || value === undefined || this.abortedBy) return;
    const { responder } = this;
    responder.write(value);
    await this.untilAborted(responder.flushed().then(() => responder.room()));
  }

  room(): Promise<void> | undefined {
    return this.nested ?? this.responder?.room();
  }

  lingers(work: Promise<unknown>): void {
    (this.lingering ??= []).push(work);
  }

  noteFailure(error: unknown, by?: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.failedBy = by;
  }

  noteRefusal(error: unknown): void {
    this.refused = error;
  }

  /** An error as it was thrown, where filters have made `error` of it. */
  causeOf(error: unknown): unknown {
    return this.failure ?? this.refused ?? error;
  }

  noteSuccess(by: unknown): void {
    if (this.failure === undefined || this.failedBy !== by) return;
    this.failure = undefined;
  }

  /** Nobody waits any more for what an aborted handler waits for. */
  untilAborted(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => resolve();
      this.onAbort(end);
      work.then(resolve, reject).finally(() => this.offAbort(end));
    });
  }
}
