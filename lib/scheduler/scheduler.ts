import { SYSTEM_CLOCK, type Clock } from '../common/clock';
import type { StreambackConfigError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { newId } from '../protocol/keys';
import { toJson } from '../protocol/json';
import type { ScheduleState, ScheduleStore } from '../streams/schedule-store';
import { AddedSchedules, MAX_ADDED_SCHEDULES } from './added-schedules';
import { scheduleEntry, type ScheduleEntry } from './schedule-entry';
import { invalidSchedule } from './schedule-errors';
import type { Schedule, ScheduleOptions } from './schedule-options';
import { ScheduleRunner, type SchedulePublisher } from './schedule-runner';

/** How soon processes hear of what another one's registry did, in ms. */
const SYNC_MS = 1_000;
/** What waits was reckoned by another clock, where the store's and the process's have moved apart by so much, in ms. */
const DRIFT_MS = 100;

export interface SchedulerOptions {
  readonly group: string;
  readonly store: ScheduleStore;
  readonly publisher: SchedulePublisher;
  readonly logger: StreambackLogger;
  /** Whether this process sends what is due; without it the registry alone works. @default true */
  readonly fires?: boolean;
  readonly clock?: Clock;
}

/** A schedule, and what the store says of it. */
interface KnownSchedule {
  readonly entry: ScheduleEntry;
  readonly state: ScheduleState;
}

interface Known {
  readonly now: number;
  readonly schedules: ReadonlyMap<string, KnownSchedule>;
}

/** The schedules of one connection: those that this process declares, and those that were added at run time. */
export class Scheduler {
  private readonly declared = new Map<string, ScheduleEntry>();
  private readonly added: AddedSchedules;
  private readonly runners = new Map<string, ScheduleRunner>();
  private readonly clock: Clock;
  /** What the store's clock is ahead of this process's, in ms. */
  private aheadMs = 0;
  private started = false;
  private ended = false;
  private timer: unknown;
  private syncing?: Promise<Known>;
  private isAway = false;

  constructor(private readonly options: SchedulerOptions) {
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.added = new AddedSchedules(options.logger, (pattern) => options.publisher.check(pattern));
  }

  /** Declares a schedule in code, before {@link start}. @throws StreambackConfigError INVALID_SCHEDULE, INVALID_PATTERN */
  declare(entry: ScheduleEntry): void {
    const { name, pattern } = entry.options;
    if (this.declared.has(name)) {
      throw invalidSchedule(`Two schedules have the name '${name}'`, { remedy: 'Give one of them another name: { name }.' });
    }
    this.options.publisher.check(pattern);
    this.declared.set(name, entry);
  }

  /** Takes part in the schedules of the group from now on. Resolves at once: a store that is away is waited for. Idempotent. */
  start(): void {
    if (this.started || this.ended || this.options.fires === false) return;
    this.started = true;
    void this.keepSynced();
  }

  /** Claims nothing more; waits for what is being sent, at most so long. Idempotent. */
  async end(timeoutMs: number): Promise<void> {
    this.ended = true;
    this.clock.clearTimeout(this.timer);
    await Promise.all([...this.runners.values()].map((runner) => runner.end(timeoutMs)));
  }

  async list(): Promise<Schedule[]> {
    const { now, schedules } = await this.sync();
    return [...schedules.values()].map((known) => described(known, now));
  }

  /** @throws StreambackConfigError INVALID_SCHEDULE, INVALID_PATTERN; StreambackPublishError NOT_SERIALIZABLE */
  async add(options: ScheduleOptions): Promise<void> {
    const { name, pattern } = options;
    if (this.declared.has(name)) throw declaredInCode(name);
    scheduleEntry(options, 'registry');
    this.options.publisher.check(pattern);
    const definition = toJson(options, `The schedule '${name}'`);
    const { schedules } = await this.sync();
    const others = [...schedules.values()].filter(({ entry }) => entry.source === 'registry' && entry.options.name !== name);
    if (others.length >= MAX_ADDED_SCHEDULES) {
      throw invalidSchedule(`'${name}' is one schedule too many: a group has at most ${MAX_ADDED_SCHEDULES} that were added at run time`);
    }
    await this.options.store.add(this.options.group, name, definition);
    await this.sync();
  }

  /** @throws StreambackConfigError INVALID_SCHEDULE */
  async remove(name: string): Promise<void> {
    if (this.declared.has(name)) throw declaredInCode(name);
    if (!(await this.options.store.remove(this.options.group, name))) throw notFound(name);
    await this.sync();
  }

  /** @throws StreambackConfigError INVALID_SCHEDULE */
  async pause(name: string, paused: boolean): Promise<void> {
    await this.find(name);
    await this.options.store.pause(this.options.group, name, paused);
    await this.sync();
  }

  /** Sends a schedule's message now, beside its slots. @throws StreambackConfigError INVALID_SCHEDULE, and what its method throws */
  async trigger(name: string): Promise<void> {
    const entry = await this.find(name);
    const { pattern, key, headers } = entry.options;
    const data = await entry.produce();
    if (data !== undefined) await this.options.publisher.publish(newId(), pattern, data, { key, headers });
  }

  private async find(name: string): Promise<ScheduleEntry> {
    const known = (await this.sync()).schedules.get(name);
    if (!known) throw notFound(name);
    return known.entry;
  }

  /** Never rejects. */
  private async keepSynced(): Promise<void> {
    try {
      await this.sync();
      this.isAway = false;
    } catch (error) {
      if (!this.ended && !this.isAway) this.options.logger.error(`The schedules cannot be looked up, trying again: ${String(error)}`);
      this.isAway = true;
    }
    if (!this.ended) this.timer = this.clock.setTimeout(() => void this.keepSynced(), SYNC_MS);
  }

  /** One at a time: an older answer must not undo what a newer one said. */
  private sync(): Promise<Known> {
    const before = this.syncing?.catch(() => undefined);
    const next = (async () => {
      await before;
      const { group, store } = this.options;
      const snapshot = await store.sync(group, [...this.declared.keys()]);
      this.onStoreTime(snapshot.now);
      const schedules = new Map<string, KnownSchedule>();
      // What code declares wins over what was added.
      for (const entry of [...this.added.entries(snapshot), ...this.declared.values()]) {
        const state = snapshot.schedules.get(entry.options.name);
        if (state) schedules.set(entry.options.name, { entry, state });
      }
      if (this.started && !this.ended) this.reconcile(schedules);
      return { now: snapshot.now, schedules };
    })();
    this.syncing = next;
    return next;
  }

  /** Begins what is new, ends what is gone, and tells the others what is known of them. */
  private reconcile(schedules: Known['schedules']): void {
    for (const [name, runner] of this.runners) {
      if (schedules.get(name)?.entry === runner.entry) continue;
      this.runners.delete(name);
      void runner.end(0);
    }
    for (const [name, { entry, state }] of schedules) {
      if (entry.options.disabled) continue;
      const runner = this.runners.get(name) ?? this.run(entry);
      this.runners.set(name, runner);
      runner.update(state.after, state.paused);
    }
  }

  private run(entry: ScheduleEntry): ScheduleRunner {
    const { group, store, publisher, logger } = this.options;
    return new ScheduleRunner(entry, {
      group,
      store,
      publisher,
      logger,
      clock: this.clock,
      storeNow: () => this.clock.now() + this.aheadMs,
      onStoreTime: (now) => this.onStoreTime(now),
    });
  }

  private onStoreTime(now: number): void {
    const aheadMs = now - this.clock.now();
    const driftMs = Math.abs(aheadMs - this.aheadMs);
    this.aheadMs = aheadMs;
    if (driftMs > DRIFT_MS) for (const runner of this.runners.values()) runner.wake();
  }
}

function described({ entry, state }: KnownSchedule, now: number): Schedule {
  const { options, source, times } = entry;
  const { paused, after, sent } = state;
  const next = paused || options.disabled ? Infinity : times.next(Math.max(now, after));
  return {
    ...options,
    source,
    paused,
    ...(sent !== undefined && { lastAt: new Date(sent) }),
    ...(next !== Infinity && { nextAt: new Date(next) }),
  };
}

const notFound = (name: string): StreambackConfigError =>
  invalidSchedule(`There is no schedule '${name}'`, { remedy: 'list() gives the names.' });

const declaredInCode = (name: string): StreambackConfigError =>
  invalidSchedule(`The schedule '${name}' is declared in code`, { remedy: 'Change it there, or pause it.' });
