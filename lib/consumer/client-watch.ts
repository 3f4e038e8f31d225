import type { Clock } from '../common/clock';
import { StreambackAbortError } from '../common/errors';
import type { SlotMap } from '../common/slots';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { Run } from './run';

/** Stops the handlers of clients that died: one look-up for all, twice in each lease (R14). */
export class ClientWatch {
  private timer: unknown;
  private closed = false;

  /** @param runs what runs */
  constructor(
    private readonly runs: Pick<SlotMap<Run>, 'values'>,
    private readonly feedback: FeedbackStream,
    private readonly leaseMs: number,
    private readonly clock: Clock,
  ) {
    this.schedule();
  }

  close(): void {
    this.closed = true;
    this.clock.clearTimeout(this.timer);
  }

  private schedule(): void {
    if (this.closed) return;
    this.timer = this.clock.setTimeout(() => void this.look().finally(() => this.schedule()), this.leaseMs / 2);
  }

  private async look(): Promise<void> {
    const runs = this.runs.values().filter(({ envelope }) => envelope.inbox !== undefined);
    if (runs.length === 0) return;
    const inboxes = [...new Set(runs.map(({ envelope }) => envelope.inbox!))];
    // What cannot be told counts as alive.
    const alive = await (async () => this.feedback.alive(inboxes, this.leaseMs))().catch(() => undefined);
    if (!alive) return;
    for (const run of runs) {
      if (!alive.has(run.envelope.inbox!)) run.abort(new StreambackAbortError('CLIENT_LOST', 'The client is gone: its lease has ended'));
    }
  }
}
