import { checkOptions } from '../common/option-rules';
import type { Schedule, ScheduleOptions } from './schedule-options';
import { SCHEDULE_RULES } from './schedule-rules';
import type { Scheduler } from './scheduler';

/** The schedulers of an app, by connection. */
export interface Schedulers {
  /** @throws StreambackConfigError UNKNOWN_CONNECTION, MISSING_CAPABILITY */
  of(connection: string | undefined): Scheduler;
}

/**
 * The schedules of this app's groups, at run time: what is done here holds for all processes of the group, and is kept in Redis.
 * Inject it; it covers every connection.
 */
export class StreambackScheduleRegistry {
  constructor(private readonly schedulers: Schedulers) {}

  /**
   * Every schedule of the group that this process knows of: its own, and those that were added at run time.
   * @param connection @default 'default'
   * @throws StreambackConnectionError CLOSED
   */
  list(connection?: string): Promise<Schedule[]> {
    return this.schedulers.of(connection).list();
  }

  /** One of {@link list}; nothing where there is none. */
  async get(name: string, connection?: string): Promise<Schedule | undefined> {
    return (await this.list(connection)).find((schedule) => schedule.name === name);
  }

  /**
   * Adds a schedule, or replaces one that was added so. It is kept until it is removed, and sent by the processes of the group that
   * declare a schedule or have used the registry.
   * @throws StreambackConfigError INVALID_SCHEDULE for an expression or a zone that cannot be read, or a name that code declares;
   *   INVALID_OPTION
   */
  async add(options: ScheduleOptions): Promise<void> {
    checkOptions(options, SCHEDULE_RULES, 'schedule');
    await this.schedulers.of(options.connection).add(options);
  }

  /** Removes a schedule that was added. @throws StreambackConfigError INVALID_SCHEDULE, where there is none or code declares it */
  remove(name: string, connection?: string): Promise<void> {
    return this.schedulers.of(connection).remove(name);
  }

  /** Sends nothing for it until {@link resume}. What would have been sent meanwhile is not missed, but passed over. */
  pause(name: string, connection?: string): Promise<void> {
    return this.schedulers.of(connection).pause(name, true);
  }

  /** Ends a {@link pause}. */
  resume(name: string, connection?: string): Promise<void> {
    return this.schedulers.of(connection).pause(name, false);
  }

  /** Sends its message now, once, beside its slots, paused or not. Resolves when the broker has it. */
  trigger(name: string, connection?: string): Promise<void> {
    return this.schedulers.of(connection).trigger(name);
  }
}
