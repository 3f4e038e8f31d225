import { createHash } from 'node:crypto';

/** A Lua script, and the name that Redis knows it by. */
export interface RedisScript {
  readonly source: string;
  readonly sha: string;
}

const script = (source: string): RedisScript => ({ source, sha: createHash('sha1').update(source).digest('hex') });

/** A field of the hash as a number: nothing where it is missing, or is none of ours. */
const START = `
local key, name = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function moment(what)
  return tonumber(redis.call('HGET', key, what .. ':' .. name) or nil)
end
`;

/** ARGV: the names that are declared. Gives now, and the hash. */
export const SYNC = script(`${START}
for _, declared in ipairs(ARGV) do redis.call('HSETNX', key, 'after:' .. declared, now) end
return { now, redis.call('HGETALL', key) }`);

/** ARGV: name, slot, owner, claimMs. Gives outcome, now, after, waitMs. */
export const CLAIM = script(`${START}
local slot, owner, after = tonumber(ARGV[2]), ARGV[3], moment('after')
local till, holder = string.match(redis.call('HGET', key, 'claim:' .. name) or '', '^(%d+) (.*)$')
if till and tonumber(till) <= now then holder = nil end
if not after then return { 'unknown', now, 0, 0 } end
if slot > now then return { 'early', now, after, 0 } end
if slot <= after then return { 'done', now, after, 0 } end
if holder ~= owner and redis.call('HEXISTS', key, 'paused:' .. name) == 1 then return { 'paused', now, after, 0 } end
if holder and holder ~= owner then return { 'taken', now, after, tonumber(till) - now } end
redis.call('HSET', key, 'claim:' .. name, string.format('%.0f ', now + tonumber(ARGV[4])) .. owner)
return { 'claimed', now, after, 0 }`);

/** ARGV: name, slot, owner, '1' where it was sent. */
export const END = script(`${START}
if not moment('after') then return 0 end
if ARGV[4] == '1' then
  for _, what in ipairs({ 'after', 'sent' }) do
    if tonumber(ARGV[2]) > (moment(what) or -1) then redis.call('HSET', key, what .. ':' .. name, ARGV[2]) end
  end
end
if string.match(redis.call('HGET', key, 'claim:' .. name) or '', '^%d+ (.*)$') == ARGV[3] then redis.call('HDEL', key, 'claim:' .. name) end
return 1`);

/** ARGV: name, definition. */
export const ADD = script(`${START}
redis.call('HSET', key, 'definition:' .. name, ARGV[2], 'after:' .. name, now)
return 1`);

/** ARGV: name. Gives 1 where there was one. */
export const REMOVE = script(`${START}
if redis.call('HEXISTS', key, 'definition:' .. name) == 0 then return 0 end
for _, what in ipairs({ 'definition', 'paused', 'after', 'sent', 'claim' }) do redis.call('HDEL', key, what .. ':' .. name) end
return 1`);

/** ARGV: name, '1' to pause, '0' to resume. */
export const PAUSE = script(`${START}
if not moment('after') then return 0 end
if ARGV[2] == '1' then redis.call('HSET', key, 'paused:' .. name, 1)
elseif redis.call('HDEL', key, 'paused:' .. name) == 1 then redis.call('HSET', key, 'after:' .. name, now) end
return 1`);
