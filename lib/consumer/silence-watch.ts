import type { Clock } from '../common/clock';
import { Queue } from '../common/queue';
import type { Begun, Run } from './run';

/** A handler that has not answered for so long is announced, in ms, so that its client knows whom to cancel. */
export const SILENCE_MS = 50;

/** Announces the runs that are silent at first. One timer, whatever runs. */
export class SilenceWatch {
  private readonly begun = new Queue<Begun>();
  private timer: unknown;

  constructor(private readonly clock: Clock) {}

  watch(run: Run): void {
    const begun = { run, at: this.clock.now() };
    run.begun = begun;
    this.begun.push(begun);
    this.timer ??= this.clock.setTimeout(this.look, SILENCE_MS);
  }

  /** Most runs end long before they are looked at: nothing of them is to be kept until then. */
  forget({ begun }: Run): void {
    if (begun) begun.run = undefined;
  }

  close(): void {
    this.clock.clearTimeout(this.timer);
    this.begun.clear();
  }

  private readonly look = (): void => {
    this.timer = undefined;
    const until = this.clock.now() - SILENCE_MS;
    for (let next = this.begun.peek(); next; next = this.begun.peek()) {
      if (next.at > until) {
        this.timer = this.clock.setTimeout(this.look, next.at - until);
        return;
      }
      this.begun.shift();
      next.run?.responder?.accept();
    }
  };
}
