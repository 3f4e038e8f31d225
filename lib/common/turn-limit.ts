/** How long work may go on before the event loop turns, in ms. */
const LIMIT_MS = 10;

/**
 * Has work give way to the event loop. Handlers that wait for nothing follow each other without a turn of it, as long as there is a
 * backlog: heartbeats, leases and sockets would wait as long.
 */
export class TurnLimit {
  private endsAt: number | undefined;
  private readonly waiting = new Set<() => void>();

  /** Whether to go on later. @param resume called once the event loop has turned, where it is */
  isOver(resume: () => void): boolean {
    if (this.endsAt === undefined) {
      this.endsAt = performance.now() + LIMIT_MS;
      setImmediate(this.begin);
      return false;
    }
    if (performance.now() < this.endsAt) return false;
    this.waiting.add(resume);
    return true;
  }

  private readonly begin = (): void => {
    this.endsAt = undefined;
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const resume of waiting) resume();
  };
}
