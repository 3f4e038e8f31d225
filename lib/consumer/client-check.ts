import type { FeedbackStream } from '../streams/feedback-stream';

/** Asks whether clients live: one look-up for all that are asked about in a tick. */
export class ClientCheck {
  private asked: Map<string, ((alive: boolean) => void)[]> | undefined;

  constructor(
    private readonly feedback: FeedbackStream,
    private readonly leaseMs: number,
  ) {}

  /** Whether the client behind an inbox lives; true when that cannot be told. */
  isAlive(inbox: string): Promise<boolean> {
    if (!this.asked) {
      this.asked = new Map();
      setImmediate(() => void this.look());
    }
    const { asked } = this;
    return new Promise((resolve) => {
      const waiting = asked.get(inbox);
      if (waiting) waiting.push(resolve);
      else asked.set(inbox, [resolve]);
    });
  }

  private async look(): Promise<void> {
    const asked = this.asked!;
    this.asked = undefined;
    const inboxes = [...asked.keys()];
    const alive = await this.feedback.alive(inboxes, this.leaseMs).catch(() => new Set(inboxes) as ReadonlySet<string>);
    for (const [inbox, waiting] of asked) for (const resolve of waiting) resolve(alive.has(inbox));
  }
}
