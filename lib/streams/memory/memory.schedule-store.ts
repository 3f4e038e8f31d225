import type { Clock } from '../../common/clock';
import type { ScheduleClaim, ScheduleSlot, ScheduleSnapshot, ScheduleStore } from '../schedule-store';

interface Entry {
  definition?: string;
  paused: boolean;
  since?: number;
  sent?: number;
  claim?: { readonly owner: string; readonly until: number };
}

/** The schedules of the groups that share a memory name. */
export class MemoryScheduleStore implements ScheduleStore {
  private readonly groups = new Map<string, Map<string, Entry>>();

  constructor(private readonly clock: Clock) {}

  async sync(group: string, names: readonly string[]): Promise<ScheduleSnapshot> {
    const now = this.clock.now();
    for (const name of names) this.entry(group, name).since ??= now;
    return { now, schedules: new Map([...this.group(group)].map(([name, { claim: _claim, ...state }]) => [name, state])) };
  }

  async claim({ group, name, slot, owner }: ScheduleSlot, claimMs: number): Promise<ScheduleClaim> {
    const now = this.clock.now();
    const entry = this.entry(group, name);
    const { claim, sent } = entry;
    const facts = { now, waitMs: 0, sent };
    if (slot > now) return { outcome: 'early', ...facts };
    if (sent !== undefined && slot <= sent) return { outcome: 'sent', ...facts };
    if (entry.paused) return { outcome: 'paused', ...facts };
    if (claim && claim.owner !== owner && claim.until > now) return { outcome: 'taken', ...facts, waitMs: claim.until - now };
    entry.claim = { owner, until: now + claimMs };
    return { outcome: 'claimed', ...facts };
  }

  async complete({ group, name, slot, owner }: ScheduleSlot): Promise<void> {
    const entry = this.entry(group, name);
    entry.sent = Math.max(slot, entry.sent ?? -1);
    if (entry.claim?.owner === owner) delete entry.claim;
  }

  async release({ group, name, owner }: ScheduleSlot): Promise<void> {
    const entry = this.entry(group, name);
    if (entry.claim?.owner === owner) delete entry.claim;
  }

  async add(group: string, name: string, definition: string): Promise<void> {
    Object.assign(this.entry(group, name), { definition, since: this.clock.now() });
  }

  async remove(group: string, name: string): Promise<boolean> {
    const entries = this.group(group);
    return entries.get(name)?.definition !== undefined && entries.delete(name);
  }

  async pause(group: string, name: string, paused: boolean): Promise<void> {
    const entry = this.entry(group, name);
    if (entry.paused && !paused) entry.since = this.clock.now();
    entry.paused = paused;
  }

  private group(group: string): Map<string, Entry> {
    const entries = this.groups.get(group) ?? new Map<string, Entry>();
    this.groups.set(group, entries);
    return entries;
  }

  private entry(group: string, name: string): Entry {
    const entries = this.group(group);
    const entry = entries.get(name) ?? { paused: false };
    entries.set(name, entry);
    return entry;
  }
}
