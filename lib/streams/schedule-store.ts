/** What a cluster knows of one schedule together. */
export interface ScheduleState {
  /** The options of a schedule that was added at run time, as JSON; nothing for one that is declared in code. */
  readonly definition?: string | undefined;
  readonly paused: boolean;
  /** Epoch ms: slots up to here are done with, because they were sent, or are not to be. */
  readonly after: number;
  /** Epoch ms of the newest slot that was sent. */
  readonly sent?: number | undefined;
}

export interface ScheduleSnapshot {
  /** Epoch ms by the store's own clock. */
  readonly now: number;
  readonly schedules: ReadonlyMap<string, ScheduleState>;
}

/**
 * `claimed`: it is the caller's to send, until its claim ends. `early`: its time has not come, by the store's clock. `done`: it, or a
 * later one, was sent or passed over. `taken`: another claim on the schedule lasts. `paused`: by the registry. `unknown`: no such schedule.
 */
export type ClaimOutcome = 'claimed' | 'early' | 'done' | 'taken' | 'paused' | 'unknown';

export interface ScheduleClaim {
  readonly outcome: ClaimOutcome;
  /** Epoch ms by the store's own clock. */
  readonly now: number;
  /** As {@link ScheduleState.after}. */
  readonly after: number;
  /** For `taken`: how long the other claim still lasts, in ms. */
  readonly waitMs: number;
}

export interface ScheduleSlot {
  readonly group: string;
  readonly name: string;
  /** Epoch ms at which the schedule is due. */
  readonly slot: number;
  /** Who claims: unique to the process and the claim. */
  readonly owner: string;
}

/**
 * The schedules of a group, as all its processes share them. Each call is one step that no other call comes between, and goes by the
 * store's own clock: those of the processes may differ. `testFeedbackStream` of `nestjs-streamback/testing` holds an implementation to it.
 */
export interface ScheduleStore {
  /** What is known of a group's schedules. Those of `names` that are new are known from now on: their slots count from here. */
  sync(group: string, names: readonly string[]): Promise<ScheduleSnapshot>;
  /**
   * Takes a slot for `claimMs`. One claim at a time on a schedule, so that its slots are sent in order; the same owner prolongs its own.
   * A claim that ends without {@link complete} is free again.
   */
  claim(slot: ScheduleSlot, claimMs: number): Promise<ScheduleClaim>;
  /** The slot was sent: neither it nor an earlier one can be claimed any more. */
  complete(slot: ScheduleSlot): Promise<void>;
  /** The slot was not sent: another process may claim it at once. */
  release(slot: ScheduleSlot): Promise<void>;
  /** Keeps a schedule that is not declared in code; replaces one of its name. Its slots count from now on. */
  add(group: string, name: string, definition: string): Promise<void>;
  /** @returns whether there was one that was added. All that is known of it is forgotten. */
  remove(group: string, name: string): Promise<boolean>;
  /** Pauses a known schedule, or resumes it: slots of the time between are not missed, but passed over. */
  pause(group: string, name: string, paused: boolean): Promise<void>;
}
