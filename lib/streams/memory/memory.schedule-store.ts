import type { Clock } from '../../common/clock';
import type { ClaimOutcome, ScheduleClaim, ScheduleSlot, ScheduleSnapshot, ScheduleState, ScheduleStore } from '../schedule-store';

interface Entry extends ScheduleState {
  readonly claim?: { readonly owner: string; readonly until: number } | undefined;
}

/** The schedules of the groups that share a memory name. */
export class MemoryScheduleStore implements ScheduleStore {
  private readonly groups = new Map<string, Map<string, Entry>>();

  constructor(private readonly clock: Clock) {}

  async sync(group: string, names: readonly string[]): Promise<ScheduleSnapshot> {
    const now = this.clock.now();
    const entries = this.entries(group);
    for (const name of names) if (!entries.has(name)) entries.set(name, { paused: false, after: now });
    return { now, schedules: new Map([...entries].map(([name, { claim: _claim, ...state }]) => [name, state])) };
  }

  async claim({ group, name, slot, owner }: ScheduleSlot, claimMs: number): Promise<ScheduleClaim> {
    const now = this.clock.now();
    const entry = this.entries(group).get(name);
    const held = entry?.claim && entry.claim.until > now ? entry.claim : undefined;
    const answer = (outcome: ClaimOutcome): ScheduleClaim => ({
      outcome,
      now,
      after: entry?.after ?? 0,
      waitMs: outcome === 'taken' ? held!.until - now : 0,
    });
    if (!entry) return answer('unknown');
    if (slot > now) return answer('early');
    if (slot <= entry.after) return answer('done');
    if (entry.paused && held?.owner !== owner) return answer('paused');
    if (held && held.owner !== owner) return answer('taken');
    this.set(group, name, { claim: { owner, until: now + claimMs } });
    return answer('claimed');
  }

  async complete({ group, name, slot, owner }: ScheduleSlot): Promise<void> {
    const entry = this.entries(group).get(name);
    if (!entry) return;
    this.set(group, name, { after: Math.max(entry.after, slot), sent: Math.max(entry.sent ?? slot, slot) });
    await this.release({ group, name, slot, owner });
  }

  async release({ group, name, owner }: ScheduleSlot): Promise<void> {
    if (this.entries(group).get(name)?.claim?.owner === owner) this.set(group, name, { claim: undefined });
  }

  async add(group: string, name: string, definition: string): Promise<void> {
    this.entries(group).set(name, { paused: false, ...this.entries(group).get(name), definition, after: this.clock.now() });
  }

  async remove(group: string, name: string): Promise<boolean> {
    const entries = this.entries(group);
    return entries.get(name)?.definition !== undefined && entries.delete(name);
  }

  async pause(group: string, name: string, paused: boolean): Promise<void> {
    const entry = this.entries(group).get(name);
    if (entry) this.set(group, name, { paused, ...(entry.paused && !paused && { after: this.clock.now() }) });
  }

  private set(group: string, name: string, change: Partial<Entry>): void {
    const entries = this.entries(group);
    const entry = entries.get(name);
    if (entry) entries.set(name, { ...entry, ...change });
  }

  private entries(group: string): Map<string, Entry> {
    const entries = this.groups.get(group) ?? new Map<string, Entry>();
    this.groups.set(group, entries);
    return entries;
  }
}
