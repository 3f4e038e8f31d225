import type { Clock } from '../common/clock';
import { Deadlines } from '../common/deadlines';
import { StreambackAbortError } from '../common/errors';
import { SlotMap, Slots } from '../common/slots';
import type { ControlReceivers } from '../inbox/inbox';
import type { ControlMessage } from '../protocol/control-message';
import type { FeedbackStream } from '../streams/feedback-stream';
import { ClientWatch } from './client-watch';
import type { Run } from './run';
import { SilenceWatch } from './silence-watch';

/** The runs of this process, and what stops them from outside: control, deadlines, their client's death, and the loss of their messages. */
export class RunRegistry implements ControlReceivers {
  /** Runs of requests by the request's id: what control is for. */
  private readonly requests = new SlotMap<Run>();
  /** Runs by what revokes their deliveries: one abort listener a partition, not one a message. */
  private readonly owned = new WeakMap<AbortSignal, Slots<Pick<Run, 'abort'>>>();
  private readonly deadlines: Deadlines;
  private readonly silence: SilenceWatch;
  private readonly clients?: ClientWatch;

  constructor(feedback: FeedbackStream | undefined, leaseMs: number, clock: Clock) {
    this.deadlines = new Deadlines(this.requests, clock);
    this.silence = new SilenceWatch(clock);
    if (feedback) this.clients = new ClientWatch(this.requests, feedback, leaseMs, clock);
  }

  /** @param revoked aborts when the message belongs to another */
  add(run: Run, revoked: AbortSignal): void {
    if (run.responder) {
      this.requests.set(run.id, run);
      this.silence.watch(run);
      if (run.deadline !== Infinity) this.deadlines.watch(run);
    }
    run.ownedAs = this.ownedBy(revoked).add(run);
  }

  delete(run: Run, revoked: AbortSignal): void {
    if (this.requests.get(run.id) === run) this.requests.delete(run.id);
    this.silence.forget(run);
    this.ownedBy(revoked).delete(run.ownedAs, run);
  }

  /** Waits for what is done for a message beside its handler, but no longer than the message is ours. @param work never rejects */
  async untilRevoked(work: Promise<void>, revoked: AbortSignal): Promise<void> {
    if (revoked.aborted) return;
    const owned = this.ownedBy(revoked);
    await new Promise<void>((resolve) => {
      const waiting = { abort: () => resolve() };
      const slot = owned.add(waiting);
      void work.then(() => {
        owned.delete(slot, waiting);
        resolve();
      });
    });
  }

  /** A client says something of its request. */
  onControl(message: ControlMessage): void {
    const run = this.requests.get(message.id);
    if (message.control === 'credit') run?.responder?.grant(message.upTo);
    else run?.abort(new StreambackAbortError('CANCELLED', 'The client does not wait any more'));
  }

  /** Nobody can stop the runs that named the lost inbox, nor give them credit, which they might wait for without end. */
  onLost(): void {
    for (const run of this.requests.values()) run.loseInbox();
  }

  close(): void {
    this.deadlines.close();
    this.silence.close();
    this.clients?.close();
  }

  private ownedBy(revoked: AbortSignal): Slots<Pick<Run, 'abort'>> {
    const known = this.owned.get(revoked);
    if (known) return known;
    const runs = new Slots<Pick<Run, 'abort'>>();
    this.owned.set(revoked, runs);
    revoked.addEventListener('abort', () => runs.values().forEach((run) => run.abort(reasonOf(revoked))), { once: true });
    return runs;
  }
}

function reasonOf(signal: AbortSignal): StreambackAbortError {
  if (signal.reason instanceof StreambackAbortError) return signal.reason;
  return new StreambackAbortError('REVOKED', 'The message belongs to another now');
}
