import type { Item, Message } from './peer';

/** What a server process has handled of one measurement. */
export interface HandledReport {
  readonly handled: number;
  /** Messages that came more than once. */
  readonly twice: number;
  /** Items of streamed answers that were asked for. */
  readonly made: number;
  /** Epoch ms of the last message. */
  readonly lastAtMs: number;
}

/** Counts messages by id, at the price of a byte each, so that all peers pay as little for it. */
class Handled {
  private run = -1;
  private seen = new Uint8Array(1 << 16);
  private handled = 0;
  private twice = 0;
  private made = 0;
  private lastAtMs = 0;

  note({ run, id }: Message): void {
    if (run < this.run) return;
    if (run > this.run) this.begin(run);
    if (id >= this.seen.length) {
      const longer = new Uint8Array(id * 2);
      longer.set(this.seen);
      this.seen = longer;
    }
    if (this.seen[id] === 1) this.twice += 1;
    else this.handled += 1;
    this.seen[id] = 1;
    this.lastAtMs = Date.now();
  }

  /** The items of a streamed answer, made as they are asked for. */
  *itemsOf({ items = 0, text }: Message): Generator<Item> {
    for (let id = 0; id < items; id++) {
      this.made += 1;
      yield { id, text };
    }
  }

  report(run: number): HandledReport {
    const { handled, twice, made, lastAtMs } = this;
    return run === this.run ? { handled, twice, made, lastAtMs } : { handled: 0, twice: 0, made: 0, lastAtMs: 0 };
  }

  private begin(run: number): void {
    this.run = run;
    this.seen.fill(0);
    this.handled = this.twice = this.made = this.lastAtMs = 0;
  }
}

/** Of this process. */
export const handled = new Handled();
