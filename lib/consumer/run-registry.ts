import { StreambackAbortError } from '../common/errors';
import type { Run } from './run';

/** The runs of this process, and what stops them from outside: control, and the loss of their messages. */
export class RunRegistry {
  /** Runs of requests by the request's id: what control is for. */
  private readonly requests = new Map<string, Run>();
  /** Runs by what revokes their deliveries: one abort listener a partition, not one a message. */
  private readonly owned = new WeakMap<AbortSignal, Set<Run>>();

  /** @param revoked aborts when the message belongs to another */
  add(run: Run, revoked: AbortSignal): void {
    if (run.responder) this.requests.set(run.id, run);
    this.ownedBy(revoked).add(run);
  }

  delete(run: Run, revoked: AbortSignal): void {
    if (this.requests.get(run.id) === run) this.requests.delete(run.id);
    this.ownedBy(revoked).delete(run);
  }

  /** The client does not wait for this request any more. */
  cancel(id: string): void {
    this.requests.get(id)?.abort(new StreambackAbortError('CANCELLED', 'The client does not wait any more'));
  }

  private ownedBy(revoked: AbortSignal): Set<Run> {
    const known = this.owned.get(revoked);
    if (known) return known;
    const runs = new Set<Run>();
    this.owned.set(revoked, runs);
    revoked.addEventListener('abort', () => [...runs].forEach((run) => run.abort(reasonOf(revoked))), { once: true });
    return runs;
  }
}

function reasonOf(signal: AbortSignal): StreambackAbortError {
  if (signal.reason instanceof StreambackAbortError) return signal.reason;
  return new StreambackAbortError('REVOKED', 'The message belongs to another now');
}
