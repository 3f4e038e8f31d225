/** So many ids are remembered, up to twice as many: what a batch that was sent twice can hold several times over. */
const REMEMBERED = 10_000;

/** `done`: it has ended for good. */
type State = 'done' | 'runs';

/** Knows what this process is handling, has just handled or has given back of one topic, so that a batch sent twice runs once (F4). */
export class DuplicateGuard {
  /** Two generations, of which the elder is dropped as a whole: cheaper than the oldest one each time. */
  private recent = new Map<string, State>();
  private elder = new Map<string, State>();
  /** Who waits for the end of one that runs: hardly ever anybody. */
  private readonly waiting = new Map<string, (() => void)[]>();
  /** How often each was given back. */
  private readonly givenBack = new Map<string, number>();

  /**
   * Claims an id. False: it has just run. A promise: it is running, so how that ends decides (the very same message may have come
   * again, and is not to be settled before its answer is stored); to be asked again when it resolves.
   */
  claim(id: string): boolean | Promise<void> {
    const state = this.stateOf(id);
    if (state === 'done') return false;
    if (state !== undefined) return this.ended(id);
    this.recent.set(id, 'runs');
    return true;
  }

  /** The message was settled. */
  finished(id: string): void {
    this.recent.set(id, 'done');
    if (this.givenBack.size > 0) this.givenBack.delete(id);
    if (this.recent.size >= REMEMBERED) this.age();
    this.wake(id);
  }

  /** The message was settled, and its handler had failed: should it be sent again with its id, it is to run. */
  forgotten(id: string): void {
    this.givenBack.delete(id);
    this.forget(id);
  }

  /** The message was given back: when it comes again it is to run. */
  released(id: string): void {
    if (this.givenBack.size >= REMEMBERED) this.givenBack.clear();
    this.givenBack.set(id, this.attemptOf(id));
    this.forget(id);
  }

  /** Which attempt of this process a run of the message is, from 1. */
  attemptOf(id: string): number {
    return (this.givenBack.get(id) ?? 0) + 1;
  }

  private stateOf(id: string): State | undefined {
    return this.recent.get(id) ?? this.elder.get(id);
  }

  private ended(id: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.waiting.get(id);
      if (waiting) waiting.push(resolve);
      else this.waiting.set(id, [resolve]);
    });
  }

  private forget(id: string): void {
    this.recent.delete(id);
    this.elder.delete(id);
    this.wake(id);
  }

  private wake(id: string): void {
    if (this.waiting.size === 0) return;
    const waiting = this.waiting.get(id) ?? [];
    this.waiting.delete(id);
    for (const each of waiting) each();
  }

  /** What still runs does not grow old. */
  private age(): void {
    const young = new Map<string, State>();
    for (const [id, state] of this.elder) if (state !== 'done' && !this.recent.has(id)) young.set(id, state);
    this.elder = this.recent;
    this.recent = young;
  }
}
