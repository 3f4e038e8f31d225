/** How much work there is, and how much was done, at one look. */
export interface Workload {
  /** Messages in this process's partitions that are not settled; nothing where it could not be told. */
  readonly lag: number | undefined;
  readonly inFlight: number;
  /** Counts up with each delivery that is taken or ended. */
  readonly progress: number;
}

/**
 * Tells since when work comes in and nothing is done. A lag that only stays is no sign: behind the last message there may be what is no
 * message, such as a transaction's marker, which nobody ever handles.
 */
export class Stall {
  private progress = -1;
  private leastLag = Infinity;
  private since: number | undefined;

  /** @returns for how long, in ms; 0 where work goes on, a long handler included */
  look({ lag, inFlight, progress }: Workload, now: number): number {
    if (progress !== this.progress || inFlight > 0) {
      this.progress = progress;
      this.leastLag = Infinity;
      this.since = undefined;
    }
    if (lag === undefined) return this.since === undefined ? 0 : now - this.since;
    this.leastLag = Math.min(this.leastLag, lag);
    if (inFlight === 0 && lag > this.leastLag) this.since ??= now;
    else if (lag === this.leastLag) this.since = undefined;
    return this.since === undefined ? 0 : now - this.since;
  }
}
