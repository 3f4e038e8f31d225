import type { FeedbackStream } from '../streams/feedback-stream';

/** What is asked of a request that has waited. */
interface Question {
  readonly inbox: string | undefined;
  readonly id: string | undefined;
  readonly answer: (wanted: boolean) => void;
}

/** Asks whether anybody still waits for requests that have waited themselves: one look-up for all that are asked about in a tick. */
export class ClientCheck {
  private asked: Question[] = [];

  constructor(
    private readonly feedback: FeedbackStream,
    private readonly leaseMs: number,
  ) {}

  /** Whether the client behind an inbox lives and has not cancelled; true when that cannot be told. */
  isWanted(inbox: string | undefined, id: string | undefined): Promise<boolean> {
    if (this.asked.length === 0) setImmediate(() => void this.look());
    return new Promise((answer) => this.asked.push({ inbox, id, answer }));
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
    for (const { inbox, id, answer } of asked) {
      answer((inbox === undefined || alive.has(inbox)) && !(id !== undefined && cancelled.has(id)));
    }
  }
}
