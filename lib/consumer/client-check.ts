import { outsideOfCalls } from '../context/call-context';
import type { FeedbackStream } from '../streams/feedback-stream';

/** Who wants to know. A callback, as every request that has waited is asked about. */
export interface Asker {
  onWanted(wanted: boolean): void;
}

/** What is asked of a request that has waited. */
interface Question {
  readonly inbox: string | undefined;
  readonly id: string | undefined;
  readonly asker: Asker;
}

/** Asks whether anybody still waits for requests that have waited themselves: one look-up for all that are asked about in a tick. */
export class ClientCheck {
  private asked: Question[] = [];

  constructor(
    private readonly feedback: FeedbackStream,
    private readonly leaseMs: number,
  ) {}

  /** Tells whether the client behind an inbox lives and has not cancelled; it is wanted when that cannot be told. */
  ask(inbox: string | undefined, id: string | undefined, asker: Asker): void {
    if (this.asked.push({ inbox, id, asker }) === 1) outsideOfCalls(() => setImmediate(() => void this.look()));
  }

  private async look(): Promise<void> {
    const { asked } = this;
    this.asked = [];
    const inboxes = [...new Set(asked.flatMap(({ inbox }) => inbox ?? []))];
    const ids = [...new Set(asked.flatMap(({ id }) => id ?? []))];
    const [alive, cancelled] = await Promise.all([
      // A stream of one's own may throw rather than reject: whoever asked would wait for ever.
      (async () => this.feedback.alive(inboxes, this.leaseMs))().catch(() => new Set(inboxes)),
      (async () => this.feedback.cancelled(ids))().catch(() => new Set<string>()),
    ]);
    for (const { inbox, id, asker } of asked) {
      try {
        asker.onWanted((inbox === undefined || alive.has(inbox)) && !(id !== undefined && cancelled.has(id)));
      } catch {
        // What one makes of it must not keep the others from hearing.
      }
    }
  }
}
