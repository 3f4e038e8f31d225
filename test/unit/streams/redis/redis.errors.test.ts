import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../../lib/common/logger';
import { toStreambackError } from '../../../../lib/streams/redis/redis.errors';
import { evictingPolicy } from '../../../../lib/streams/redis/redis.eviction';
import { leaseKeyOf } from '../../../../lib/streams/redis/redis.keys';
import { parsePopped } from '../../../../lib/streams/redis/redis.list-pop';
import { RedisStatus } from '../../../../lib/streams/redis/redis.status';

describe('toStreambackError', () => {
  it.each([
    ['WRONGPASS invalid username-password pair or user is disabled.', 'AUTHENTICATION_FAILED'],
    ['NOAUTH Authentication required.', 'AUTHENTICATION_FAILED'],
    ['ERR invalid password', 'AUTHENTICATION_FAILED'],
    [
      'All sentinels are unreachable. Retrying from scratch after 10ms. Last error: NOAUTH Authentication required.',
      'AUTHENTICATION_FAILED',
    ],
    ['ERR This instance has cluster support disabled', 'INVALID_STREAMS_URL'],
    ['CLUSTERDOWN The cluster is down', 'FEEDBACK_UNWRITABLE'],
    ["NOPERM this user has no permissions to run the 'xadd' command", 'NOT_AUTHORIZED'],
    ['ERR DB index is out of range', 'INVALID_STREAMS_URL'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'FEEDBACK_UNWRITABLE'],
    ["READONLY You can't write against a read only replica.", 'FEEDBACK_UNWRITABLE'],
    ['MISCONF Redis is configured to save RDB snapshots', 'FEEDBACK_UNWRITABLE'],
    ["EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'exec' command", 'NOT_AUTHORIZED'],
    ["EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.", 'FEEDBACK_UNWRITABLE'],
    ['connect ECONNREFUSED 127.0.0.1:1', 'UNREACHABLE'],
  ])('%s', (message, code) => {
    expect(toStreambackError(new Error(message), 'cache:1', 'UNREACHABLE')).toMatchObject({ code });
  });

  it('names the error inside a refused transaction', () => {
    const error = Object.assign(new Error('EXECABORT Transaction discarded because of previous errors.'), {
      previousErrors: [new Error('NOPERM no')],
    });
    expect(toStreambackError(error, 'cache:1', 'FEEDBACK_UNWRITABLE')).toMatchObject({ code: 'NOT_AUTHORIZED' });
  });

  it("does not carry a command's arguments along", () => {
    const error = Object.assign(new Error('WRONGPASS no'), { command: { name: 'auth', args: ['canary'] } });
    expect(inspect(toStreambackError(error, 'cache:1', 'UNREACHABLE'), { depth: 10 })).not.toContain('canary');
  });
});

it('knows a policy that evicts', () => {
  expect(evictingPolicy('# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:volatile-lru\r\nx:1')).toBe('volatile-lru');
  expect(evictingPolicy('maxmemory_policy:noeviction\r\n')).toBeUndefined();
  expect(evictingPolicy('')).toBeUndefined();
});

it('puts the lease beside the inbox', () => {
  expect(leaseKeyOf('streamback_inbox_7f')).toBe('streamback_lease_7f');
});

it('takes a pop apart in both forms', () => {
  const values = [Buffer.from('a'), Buffer.from('b')];
  expect(parsePopped([Buffer.from('k'), values])).toEqual({ key: 'k', values });
  expect(parsePopped({ k: values })).toEqual({ key: 'k', values });
  expect(parsePopped(new Map([['k', values]]))).toEqual({ key: 'k', values });
  expect([parsePopped(null), parsePopped(['k']), parsePopped([]), parsePopped({})]).toEqual([null, null, null, null]);
});

it('is loud when an outage begins, when its reason changes, and when it is over; quiet between', () => {
  const lines: string[] = [];
  const status = new RedisStatus('cache:1', {
    ...SILENT_LOGGER,
    log: () => void lines.push('log'),
    error: (message) => void lines.push(message.split(': ')[1]!),
  });
  const [one, two] = [{}, {}];
  const statuses: string[] = [];
  status.onStatus((next) => void statuses.push(next));
  status.isUp(one);
  status.isUp(two);
  for (let attempt = 0; attempt < 3; attempt += 1) for (const each of [one, two]) status.isDown(each, new Error('ECONNREFUSED'));
  status.isDown(one, new Error('WRONGPASS no'));
  status.isUp(one);
  status.isUp(two);
  status.forget(one);
  status.forget(two);
  expect(lines).toEqual(['ECONNREFUSED', 'WRONGPASS no', 'log']);
  expect(statuses).toEqual(['disconnected', 'connected', 'reconnecting', 'connected', 'disconnected']);
});
