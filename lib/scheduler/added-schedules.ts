import type { StreambackLogger } from '../common/logger';
import type { ScheduleSnapshot } from '../streams/schedule-store';
import { scheduleEntry, type ScheduleEntry } from './schedule-entry';
import { checkSchedule } from './schedule-rules';

/** How many a group may have: each costs every one of its processes a timer. */
export const MAX_ADDED_SCHEDULES = 1_000;

/** The schedules that were added at run time, as the store has them; each is read once. */
export class AddedSchedules {
  private known = new Map<string, { readonly definition: string; readonly entry?: ScheduleEntry | undefined }>();

  constructor(
    private readonly logger: StreambackLogger,
    /** @throws for a pattern that nothing can be sent to */
    private readonly checkPattern: (pattern: string | object) => void,
  ) {}

  /** What a snapshot holds and can be read. */
  entries({ schedules }: ScheduleSnapshot): ScheduleEntry[] {
    const before = this.known;
    this.known = new Map();
    for (const [name, { definition }] of schedules) {
      if (definition === undefined) continue;
      if (this.known.size === MAX_ADDED_SCHEDULES) break;
      const same = before.get(name);
      this.known.set(name, same?.definition === definition ? same : { definition, entry: this.read(name, definition) });
    }
    return [...this.known.values()].flatMap(({ entry }) => entry ?? []);
  }

  private read(name: string, definition: string): ScheduleEntry | undefined {
    try {
      const options: unknown = JSON.parse(definition);
      checkSchedule(options, 'schedule');
      this.checkPattern(options.pattern);
      return scheduleEntry({ ...options, name }, 'registry');
    } catch (error) {
      this.logger.error(`The schedule ${JSON.stringify(name)}, added at run time, cannot be read and is passed over: ${String(error)}`);
      return undefined;
    }
  }
}
