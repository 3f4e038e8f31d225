import type { ClaimOutcome, ScheduleClaim, ScheduleSlot, ScheduleSnapshot, ScheduleState, ScheduleStore } from '../schedule-store';
import type { RedisConnection } from './redis.connection';
import { scheduleKeyOf } from './redis.keys';

// One hash a group, so that a script touches one key. Its fields are `<what>:<name>`, where what is `definition`, `paused`, `since` (when
// slots count from), `sent` (the newest slot sent) and `claim` (slot, end and owner, as `<slot> <until> <owner>`).
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

const SYNC = `${NOW}
for _, name in ipairs(ARGV) do redis.call('HSETNX', KEYS[1], 'since:' .. name, now) end
return { now, redis.call('HGETALL', KEYS[1]) }`;

/** ARGV: name, slot, owner, claimMs. */
const CLAIM = `${NOW}
local key, name, slot = KEYS[1], ARGV[1], tonumber(ARGV[2])
local sent = tonumber(redis.call('HGET', key, 'sent:' .. name) or '-1')
if slot > now then return { 'early', now, 0, sent } end
if slot <= sent then return { 'sent', now, 0, sent } end
if redis.call('HEXISTS', key, 'paused:' .. name) == 1 then return { 'paused', now, 0, sent } end
local claim = redis.call('HGET', key, 'claim:' .. name)
if claim then
  local claimed, till, owner = claim:match('^(%d+) (%d+) (.*)$')
  if owner ~= ARGV[3] and tonumber(till) > now then return { 'taken', now, tonumber(till) - now, sent } end
end
redis.call('HSET', key, 'claim:' .. name, ARGV[2] .. ' ' .. string.format('%.0f', now + tonumber(ARGV[4])) .. ' ' .. ARGV[3])
return { 'claimed', now, 0, sent }`;

/** ARGV: name, slot, owner, '1' where it was sent. */
const END = `
local key, name, slot = KEYS[1], ARGV[1], tonumber(ARGV[2])
if ARGV[4] == '1' and slot > tonumber(redis.call('HGET', key, 'sent:' .. name) or '-1') then
  redis.call('HSET', key, 'sent:' .. name, ARGV[2])
end
local claim = redis.call('HGET', key, 'claim:' .. name)
if claim and claim:match('^%d+ %d+ (.*)$') == ARGV[3] then redis.call('HDEL', key, 'claim:' .. name) end
return 1`;

const ADD = `${NOW}
redis.call('HSET', KEYS[1], 'definition:' .. ARGV[1], ARGV[2], 'since:' .. ARGV[1], now)
return 1`;

const RESUME = `${NOW}
if redis.call('HDEL', KEYS[1], 'paused:' .. ARGV[1]) == 1 then redis.call('HSET', KEYS[1], 'since:' .. ARGV[1], now) end
return 1`;

/** The schedules of groups in Redis, each group's in one hash. By scripts, because each step reads before it writes. */
export class RedisScheduleStore implements ScheduleStore {
  constructor(private readonly connection: RedisConnection) {}

  async sync(group: string, names: readonly string[]): Promise<ScheduleSnapshot> {
    const [now, fields] = (await this.script(SYNC, group, names)) as [number, string[]];
    const schedules = new Map<string, ScheduleState>();
    for (const [name, facts] of byName(fields)) {
      schedules.set(name, {
        definition: facts.get('definition'),
        paused: facts.has('paused'),
        since: epochMs(facts.get('since')),
        sent: epochMs(facts.get('sent')),
      });
    }
    return { now: Number(now), schedules };
  }

  async claim({ group, name, slot, owner }: ScheduleSlot, claimMs: number): Promise<ScheduleClaim> {
    const reply = await this.script(CLAIM, group, [name, String(slot), owner, String(claimMs)]);
    const [outcome, now, waitMs, sent] = reply as [ClaimOutcome, number, number, number];
    return { outcome, now: Number(now), waitMs: Number(waitMs), sent: Number(sent) < 0 ? undefined : Number(sent) };
  }

  async complete({ group, name, slot, owner }: ScheduleSlot): Promise<void> {
    await this.script(END, group, [name, String(slot), owner, '1']);
  }

  async release({ group, name, slot, owner }: ScheduleSlot): Promise<void> {
    await this.script(END, group, [name, String(slot), owner, '0']);
  }

  async add(group: string, name: string, definition: string): Promise<void> {
    await this.script(ADD, group, [name, definition]);
  }

  async remove(group: string, name: string): Promise<boolean> {
    const fields = ['definition', 'paused', 'since', 'sent', 'claim'].map((what) => `${what}:${name}`);
    const key = scheduleKeyOf(group);
    const exists = await this.connection.run((redis) => redis.hexists(key, `definition:${name}`));
    if (exists === 0) return false;
    return (await this.connection.run((redis) => redis.hdel(key, ...fields))) > 0;
  }

  async pause(group: string, name: string, paused: boolean): Promise<void> {
    if (paused) await this.connection.run((redis) => redis.hset(scheduleKeyOf(group), `paused:${name}`, '1'));
    else await this.script(RESUME, group, [name]);
  }

  private script(source: string, group: string, args: readonly string[]): Promise<unknown> {
    return this.connection.run((redis) => redis.eval(source, 1, scheduleKeyOf(group), ...args));
  }
}

const epochMs = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

function byName(fields: readonly string[]): Map<string, Map<string, string>> {
  const names = new Map<string, Map<string, string>>();
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const field = fields[at]!;
    const colon = field.indexOf(':');
    const name = field.slice(colon + 1);
    const facts = names.get(name) ?? new Map<string, string>();
    names.set(name, facts.set(field.slice(0, colon), fields[at + 1]!));
  }
  return names;
}
