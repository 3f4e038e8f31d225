import type { Schedule, ScheduleOptions } from './schedule-options';
import { checkSchedule } from './schedule-rules';
import type { Scheduler } from './scheduler';

/** The schedulers of an app, by connection. Who asks for one takes part in the schedules of its group. */
export interface Schedulers {
  /** @throws StreambackConfigError UNKNOWN_CONNECTION, MISSING_CAPABILITY; what is wrong with the schedules that are declared */
  of(connection: string | undefined): Scheduler;
}

/**
 * The schedules of this app's groups, at run time: what is done here holds for all processes of the group, and is kept in Redis; the others
 * hear of it within a second. Inject it; it covers every connection, the last argument names one (default `'default'`).
 *
 * A process that uses it takes part: it sends what is due, also where it declares no schedule itself.
 */
export class StreambackScheduleRegistry {
  constructor(private readonly schedulers: Schedulers) {}

  /** Every schedule of the group that this process knows of: those that it declares, and those that were added at run time. */
  async list(connection?: string): Promise<Schedule[]> {
    return this.schedulers.of(connection).list();
  }

  /** One of {@link list}; nothing where there is none. */
  async get(name: string, connection?: string): Promise<Schedule | undefined> {
    return (await this.list(connection)).find((schedule) => schedule.name === name);
  }

  /**
   * Adds a schedule, or replaces one that was added so. It is kept until it is removed.
   * @throws StreambackConfigError INVALID_SCHEDULE for an expression or a zone that cannot be read, a name that code declares, and one
   *   schedule too many; INVALID_OPTION, INVALID_PATTERN
   * @throws StreambackPublishError NOT_SERIALIZABLE
   */
  async add(options: ScheduleOptions, connection?: string): Promise<void> {
    checkSchedule(options, 'schedule');
    await this.schedulers.of(connection ?? options.connection).add(options);
  }

  /** Removes a schedule that was added. @throws StreambackConfigError INVALID_SCHEDULE, where there is none or code declares it */
  async remove(name: string, connection?: string): Promise<void> {
    return this.schedulers.of(connection).remove(name);
  }

  /** Sends nothing for it until {@link resume}. What would have been sent meanwhile is not missed, but passed over. */
  async pause(name: string, connection?: string): Promise<void> {
    return this.schedulers.of(connection).pause(name, true);
  }

  /** Ends a {@link pause}. */
  async resume(name: string, connection?: string): Promise<void> {
    return this.schedulers.of(connection).pause(name, false);
  }

  /** Sends its message now, once, beside its slots, paused or not. Resolves when the broker has it. */
  async trigger(name: string, connection?: string): Promise<void> {
    return this.schedulers.of(connection).trigger(name);
  }
}
