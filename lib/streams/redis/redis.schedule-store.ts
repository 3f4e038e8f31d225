import type { ClaimOutcome, ScheduleClaim, ScheduleSlot, ScheduleSnapshot, ScheduleState, ScheduleStore } from '../schedule-store';
import type { RedisConnection } from './redis.connection';
import { isNoScript, toStreambackError } from './redis.errors';
import { scheduleKeyOf } from './redis.keys';
import { ADD, CLAIM, END, PAUSE, REMOVE, SYNC, type RedisScript } from './redis.schedule-scripts';

/**
 * The schedules of groups in Redis, each group's in one hash: so a script touches one key. Its fields are `<what>:<name>`, where what is
 * `definition`, `paused`, `after`, `sent`, or `claim` (when it ends, and its owner). By scripts, because each step reads before it writes.
 */
export class RedisScheduleStore implements ScheduleStore {
  constructor(
    private readonly connection: RedisConnection,
    private readonly address: string,
  ) {}

  async sync(group: string, names: readonly string[]): Promise<ScheduleSnapshot> {
    const [now, fields] = (await this.run(SYNC, group, names)) as [number, unknown];
    return { now: Number(now), schedules: statesOf(asPairs(fields)) };
  }

  async claim({ group, name, slot, owner }: ScheduleSlot, claimMs: number): Promise<ScheduleClaim> {
    const reply = await this.run(CLAIM, group, [name, String(slot), owner, String(claimMs)]);
    const [outcome, now, after, waitMs] = reply as [ClaimOutcome, number, number, number];
    return { outcome, now: Number(now), after: Number(after), waitMs: Number(waitMs) };
  }

  async complete({ group, name, slot, owner }: ScheduleSlot): Promise<void> {
    await this.run(END, group, [name, String(slot), owner, '1']);
  }

  async release({ group, name, slot, owner }: ScheduleSlot): Promise<void> {
    await this.run(END, group, [name, String(slot), owner, '0']);
  }

  async add(group: string, name: string, definition: string): Promise<void> {
    await this.run(ADD, group, [name, definition]);
  }

  async remove(group: string, name: string): Promise<boolean> {
    return Number(await this.run(REMOVE, group, [name])) === 1;
  }

  async pause(group: string, name: string, paused: boolean): Promise<void> {
    await this.run(PAUSE, group, [name, paused ? '1' : '0']);
  }

  /** @throws StreambackConnectionError */
  private async run({ sha, source }: RedisScript, group: string, args: readonly string[]): Promise<unknown> {
    const key = scheduleKeyOf(group);
    try {
      return await this.connection
        .run((redis) => redis.evalsha(sha, 1, key, ...args))
        .catch((error: unknown) => {
          if (!isNoScript(error)) throw error;
          return this.connection.run((redis) => redis.eval(source, 1, key, ...args));
        });
    } catch (error) {
      throw toStreambackError(error, this.address, 'UNREACHABLE');
    }
  }
}

/** A hash inside a script's reply: a list of names and values. */
function asPairs(fields: unknown): [string, string][] {
  const list = Array.isArray(fields) ? (fields as string[]) : [];
  return Array.from({ length: Math.floor(list.length / 2) }, (_, at) => [list[2 * at]!, list[2 * at + 1]!]);
}

function statesOf(fields: readonly [string, string][]): Map<string, ScheduleState> {
  const facts = new Map<string, Map<string, string>>();
  for (const [field, value] of fields) {
    const [, what, name] = /^(\w+):(.*)$/s.exec(field) ?? [];
    if (what !== undefined && name !== undefined) facts.set(name, (facts.get(name) ?? new Map<string, string>()).set(what, value));
  }
  const states = new Map<string, ScheduleState>();
  for (const [name, known] of facts) {
    const after = momentOf(known.get('after'));
    if (after === undefined) continue;
    states.set(name, { definition: known.get('definition'), paused: known.has('paused'), after, sent: momentOf(known.get('sent')) });
  }
  return states;
}

/** What is no moment, somebody else has written. */
function momentOf(text: string | undefined): number | undefined {
  const moment = Number(text);
  return text !== undefined && Number.isSafeInteger(moment) && moment >= 0 ? moment : undefined;
}
