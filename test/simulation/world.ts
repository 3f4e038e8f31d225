import { Random } from '../support/random';
import { Agenda, type Entry } from './agenda';
import { Trace } from './trace';

/** Who does something: a process, as far as the world knows it. */
export interface Actor {
  readonly name: string;
  dead: boolean;
  /** Nothing of it happens before. */
  frozenUntil: number;
  /** Its clock is so far ahead, in ms. */
  readonly skewMs: number;
}

export interface Happening extends Entry {
  readonly actor: Actor | undefined;
  /** Undefined once it was cancelled. */
  work: (() => void) | undefined;
  /** Where a timer was set; a leak is named by it. */
  readonly timer: string | undefined;
}

/** A promise that is broken ends the schedule. */
export interface Violation {
  readonly promise: string;
  readonly text: string;
}

const START = 1_000_000;

/** Virtual time: what is to happen, in order, each as part of one process or of the network. */
export class World {
  time = START;
  /** Whose code runs: timers that it sets are this one's. */
  current: Actor | undefined;
  violation: Violation | undefined;
  steps = 0;
  private readonly agenda = new Agenda<Happening>();
  private order = 0;
  private uuids = 0;

  /** @param random what the network and the servers do */
  constructor(
    readonly random: Random,
    readonly trace: Trace,
  ) {}

  /** Epoch ms, as the process at work sees it. */
  now(): number {
    return Math.floor(this.time + (this.current?.skewMs ?? 0));
  }

  newId(): string {
    return `${(this.uuids++).toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;
  }

  /** Has something happen later, as part of a process, unless it has died by then; without one, as part of the network. */
  after(delayMs: number, actor: Actor | undefined, work: () => void, timer?: string): Happening {
    const at = this.time + Math.max(0, delayMs);
    const happening: Happening = { at, due: at, order: this.order++, actor, work, timer };
    this.agenda.add(happening);
    return happening;
  }

  note(...parts: readonly unknown[]): void {
    this.trace.note(this.time, ...parts);
  }

  fail(promise: string, text: string): void {
    this.note('VIOLATION', promise, text);
    this.violation ??= { promise, text };
  }

  check(promise: string, holds: boolean, text: () => string): void {
    if (!holds) this.fail(promise, text());
  }

  /** Lets the next thing happen. @returns whether there was any */
  step(): boolean {
    for (;;) {
      const next = this.agenda.take();
      if (!next) return false;
      const { actor, work } = next;
      if (!work || actor?.dead) continue;
      if (actor && actor.frozenUntil > next.at) {
        next.at = actor.frozenUntil;
        this.agenda.add(next);
        continue;
      }
      this.time = next.at;
      this.current = actor;
      this.steps += 1;
      next.work = undefined;
      try {
        work();
      } catch (error) {
        this.fail('no exceptions in callbacks', error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
      return true;
    }
  }

  /** Timers that live processes have set and that have not fired. */
  pendingTimers(actor: Actor): string[] {
    return [...this.agenda].filter((each) => each.actor === actor && each.work && each.timer).map(({ timer }) => timer!);
  }
}
