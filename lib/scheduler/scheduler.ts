import { SYSTEM_CLOCK, type Clock } from '../common/clock';
import type { StreambackConfigError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { newId } from '../protocol/keys';
import type { ScheduleSnapshot, ScheduleStore } from '../streams/schedule-store';
import { AddedSchedules } from './added-schedules';
import { scheduleEntry, type ScheduleEntry } from './schedule-entry';
import { invalidSchedule } from './schedule-errors';
import type { Schedule, ScheduleOptions } from './schedule-options';
import { ScheduleRunner, type SchedulePublisher } from './schedule-runner';

/** How soon processes hear of what another one's registry did, in ms. */
const SYNC_MS = 1_000;

export interface SchedulerOptions {
  readonly group: string;
  readonly store: ScheduleStore;
  readonly publisher: SchedulePublisher;
  readonly logger: StreambackLogger;
  /** Whether this process sends what is due; without it the registry alone works. @default true */
  readonly fires?: boolean;
  readonly clock?: Clock;
}

/** The schedules of one connection: those that this process declares, and those that were added at run time. */
export class Scheduler {
  private readonly declared = new Map<string, ScheduleEntry>();
  private readonly runners = new Map<string, ScheduleRunner>();
  private readonly clock: Clock;
  /** What the store's clock is ahead of this process's, in ms. */
  private offsetMs = 0;
  private started = false;
  private ended = false;
  private timer: unknown;
  private syncing?: Promise<ScheduleSnapshot>;
  private said = false;
  private readonly addedSchedules: AddedSchedules;

  constructor(private readonly options: SchedulerOptions) {
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.addedSchedules = new AddedSchedules(options.logger);
  }

  get isEmpty(): boolean {
    return this.declared.size === 0;
  }

  /** Declares a schedule in code, before {@link start}. @throws StreambackConfigError INVALID_SCHEDULE */
  declare(entry: ScheduleEntry): void {
    const { name } = entry.options;
    if (this.declared.has(name)) {
      throw invalidSchedule(`Two schedules have the name '${name}'`, { remedy: 'Give one of them another name: { name }.' });
    }
    this.declared.set(name, entry);
  }

  /** Takes part in the schedules of the group from now on. Resolves at once: a store that is away is waited for. Idempotent. */
  start(): void {
    if (this.started || this.ended) return;
    this.started = true;
    this.syncIn(0);
  }

  /** Claims nothing more; waits for what is being sent. Idempotent. */
  async end(): Promise<void> {
    this.ended = true;
    this.clock.clearTimeout(this.timer);
    await Promise.all([...this.runners.values()].map((runner) => runner.end()));
  }

  async list(): Promise<Schedule[]> {
    const snapshot = await this.sync();
    return [...this.entries(snapshot).values()].map((entry) => described(entry, snapshot));
  }

  /** @throws StreambackConfigError INVALID_SCHEDULE */
  async add(options: ScheduleOptions): Promise<void> {
    if (this.declared.has(options.name)) throw declaredInCode(options.name);
    scheduleEntry(options, 'registry');
    await this.options.store.add(this.options.group, options.name, JSON.stringify(options));
    await this.changed();
  }

  /** @throws StreambackConfigError INVALID_SCHEDULE */
  async remove(name: string): Promise<void> {
    if (this.declared.has(name)) throw declaredInCode(name);
    if (!(await this.options.store.remove(this.options.group, name))) throw notFound(name);
    await this.changed();
  }

  /** @throws StreambackConfigError INVALID_SCHEDULE */
  async pause(name: string, paused: boolean): Promise<void> {
    await this.find(name);
    await this.options.store.pause(this.options.group, name, paused);
    await this.changed();
  }

  /** Sends a schedule's message now, beside its slots. @throws StreambackConfigError INVALID_SCHEDULE */
  async trigger(name: string): Promise<void> {
    const entry = await this.find(name);
    const { pattern, key, headers } = entry.options;
    const data = await entry.produce();
    if (data !== undefined) await this.options.publisher.publish(newId(), pattern, data, { key, headers });
  }

  private async find(name: string): Promise<ScheduleEntry> {
    const entry = this.declared.get(name) ?? this.entries(await this.sync()).get(name);
    if (!entry) throw notFound(name);
    return entry;
  }

  /** Whoever uses the registry takes part, or what it adds would be sent by nobody. */
  private async changed(): Promise<void> {
    this.start();
    await this.sync();
  }

  private syncIn(delayMs: number): void {
    this.timer = this.clock.setTimeout(() => void this.keepSynced(), delayMs);
  }

  /** Never rejects. */
  private async keepSynced(): Promise<void> {
    try {
      await this.sync();
      this.said = false;
    } catch (error) {
      if (!this.ended && !this.said) this.options.logger.error(`The schedules cannot be looked up, trying again: ${String(error)}`);
      this.said = true;
    }
    if (!this.ended) this.syncIn(SYNC_MS);
  }

  private async sync(): Promise<ScheduleSnapshot> {
    // One at a time: an older answer must not undo what a newer one said.
    const before = this.syncing?.catch(() => undefined);
    const next = (async () => {
      await before;
      const snapshot = await this.options.store.sync(this.options.group, [...this.declared.keys()]);
      this.onStoreTime(snapshot.now);
      if (this.started && !this.ended && this.options.fires !== false) this.reconcile(snapshot);
      return snapshot;
    })();
    this.syncing = next;
    return next;
  }

  /** Begins what is new, ends what is gone, and tells the others what is known of them. */
  private reconcile(snapshot: ScheduleSnapshot): void {
    const entries = this.entries(snapshot);
    for (const [name, runner] of this.runners) {
      if (entries.get(name) === runner.entry) continue;
      this.runners.delete(name);
      void runner.end();
    }
    for (const [name, entry] of entries) {
      if (entry.options.disabled) continue;
      let runner = this.runners.get(name);
      if (!runner) {
        const { group, store, publisher, logger } = this.options;
        runner = new ScheduleRunner(entry, {
          group,
          store,
          publisher,
          logger,
          clock: this.clock,
          storeNow: () => this.clock.now() + this.offsetMs,
          onStoreTime: (now) => this.onStoreTime(now),
        });
        this.runners.set(name, runner);
      }
      const { since, sent, paused = false } = snapshot.schedules.get(name) ?? {};
      runner.update(Math.max(since ?? snapshot.now, sent ?? 0), paused);
    }
  }

  /** By name; what code declares wins over what was added. */
  private entries(snapshot: ScheduleSnapshot): Map<string, ScheduleEntry> {
    const added = this.addedSchedules.entries(snapshot).map((entry) => [entry.options.name, entry] as const);
    return new Map([...added, ...this.declared]);
  }

  private onStoreTime(now: number): void {
    this.offsetMs = now - this.clock.now();
  }
}

function described({ options, source, times }: ScheduleEntry, { now, schedules }: ScheduleSnapshot): Schedule {
  const { paused = false, sent } = schedules.get(options.name) ?? {};
  return {
    ...options,
    source,
    paused,
    ...(sent !== undefined && { lastAt: new Date(sent) }),
    ...(!paused && !options.disabled && { nextAt: new Date(times.next(Math.max(now, sent ?? 0))) }),
  };
}

const notFound = (name: string): StreambackConfigError =>
  invalidSchedule(`There is no schedule '${name}'`, { remedy: 'list() gives the names.' });

const declaredInCode = (name: string): StreambackConfigError =>
  invalidSchedule(`The schedule '${name}' is declared in code`, { remedy: 'Change it there, or pause it.' });
