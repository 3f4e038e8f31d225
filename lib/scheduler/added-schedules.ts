import type { StreambackLogger } from '../common/logger';
import type { ScheduleSnapshot } from '../streams/schedule-store';
import { scheduleEntry, type ScheduleEntry } from './schedule-entry';
import type { ScheduleOptions } from './schedule-options';

/** The schedules that were added at run time, as the store has them; each is read once. */
export class AddedSchedules {
  private known = new Map<string, { readonly definition: string; readonly entry?: ScheduleEntry }>();

  constructor(private readonly logger: StreambackLogger) {}

  /** What a snapshot holds and can be read. */
  entries({ schedules }: ScheduleSnapshot): ScheduleEntry[] {
    const before = this.known;
    this.known = new Map();
    for (const [name, { definition }] of schedules) {
      if (definition === undefined) continue;
      const same = before.get(name)?.definition === definition ? before.get(name) : undefined;
      this.known.set(name, same ?? { definition, entry: this.read(name, definition) });
    }
    return [...this.known.values()].flatMap(({ entry }) => entry ?? []);
  }

  private read(name: string, definition: string): ScheduleEntry | undefined {
    try {
      return scheduleEntry({ ...(JSON.parse(definition) as ScheduleOptions), name }, 'registry');
    } catch (error) {
      this.logger.error(`The schedule '${name}', added at run time, cannot be read and is passed over: ${String(error)}`);
      return undefined;
    }
  }
}
