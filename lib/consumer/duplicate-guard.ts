/** How many finished ids are remembered: what a batch that was sent twice can hold several times over. */
const REMEMBERED = 10_000;

/** Knows the messages that this process is handling or has just handled, so that a batch sent twice runs once (F4). */
export class DuplicateGuard {
  private readonly running = new Set<string>();
  private readonly recent = new Set<string>();

  /** Claims an id; false: it is running or has just run. */
  claim(id: string): boolean {
    if (this.running.has(id) || this.recent.has(id)) return false;
    this.running.add(id);
    return true;
  }

  /** The message was settled. */
  finished(id: string): void {
    this.running.delete(id);
    this.recent.add(id);
    if (this.recent.size > REMEMBERED) this.recent.delete(this.recent.values().next().value!);
  }

  /** The message was given back: when it comes again it is to run. */
  released(id: string): void {
    this.running.delete(id);
  }
}
