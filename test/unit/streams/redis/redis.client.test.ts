import { describe, expect, it } from 'vitest';
import { redisAddress, redisClientOptions } from '../../../../lib/streams/redis/redis.client';
import { parseStreamUrl } from '../../../../lib/streams/streams-url';

const options = (url: string, client = {}) => redisClientOptions(parseStreamUrl(url), { client });

describe('redisClientOptions', () => {
  it.each([
    ['redis://cache', { host: 'cache', port: 6379 }],
    ['redis://cache:7000/3', { host: 'cache', port: 7000, db: 3 }],
    ['redis://:s%40cret@cache', { host: 'cache', port: 6379, password: 's@cret' }],
    ['redis://ann:pw@cache:1', { host: 'cache', port: 1, username: 'ann', password: 'pw' }],
    ['redis://[::1]:7000', { host: '::1', port: 7000 }],
    ['rediss://cache', { host: 'cache', port: 6379, tls: {} }],
  ])('maps %s', (url, expected) => {
    const { host, port, db, username, password, tls } = options(url);
    expect(
      Object.fromEntries(Object.entries({ host, port, db, username, password, tls }).filter(([, value]) => value !== undefined)),
    ).toEqual(expected);
  });

  it.each(['redis://', 'redis://a,b', 'redis://cache/x', 'redis://cache/-1', 'redis://cache/1/2'])('refuses %s', (url) => {
    expect(() => options(url)).toThrow(expect.objectContaining({ code: 'INVALID_STREAMS_URL', option: 'streams' }));
  });

  it('maps sentinels', () => {
    const { sentinels, name, db, username, password, host } = options('redis+sentinel://ann:pw@a,b:7000/main/2');
    expect({ sentinels, name, db, username, password, host }).toEqual({
      sentinels: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 7000 },
      ],
      name: 'main',
      db: 2,
      username: 'ann',
      password: 'pw',
      host: undefined,
    });
    expect(redisAddress(options('redis+sentinel://:canary@a,[::1]:7000/main/2'))).toBe('a:26379,[::1]:7000/main/2');
  });

  it.each(['redis+sentinel://a', 'redis+sentinel://a/', 'redis+sentinel:///main', 'redis+sentinel://a/main/x', 'redis+sentinel://a/m/1/2'])(
    'refuses %s',
    (url) => {
      expect(() => options(url)).toThrow(
        expect.objectContaining({ code: 'INVALID_STREAMS_URL', option: 'streams', remedy: expect.stringContaining('redis+sentinel://') }),
      );
    },
  );

  it("takes ioredis' own options over the URL's, but not what the inbox decides", () => {
    const client = {
      port: 1,
      keepAlive: 5,
      keyPrefix: 'x',
      maxRetriesPerRequest: 1,
      autoResendUnfulfilledCommands: false,
      commandTimeout: 9,
    };
    expect(options('redis://cache:7000', client)).toMatchObject({
      host: 'cache',
      port: 1,
      keepAlive: 5,
      keyPrefix: '',
      maxRetriesPerRequest: null,
      autoResendUnfulfilledCommands: true,
      commandTimeout: undefined,
      lazyConnect: true,
    });
  });

  it('names the address without user and password', () => {
    expect(redisAddress(options('redis://ann:canary@cache:7000/3'))).toBe('cache:7000/3');
    expect(redisAddress(options('rediss://:canary@[::1]'))).toBe('[::1]:6379');
  });

  it('asks a read-only server for a new connection, but not with each refused write', () => {
    const { reconnectOnError } = options('redis://cache');
    const refusal = Object.assign(new Error("READONLY You can't write against a read only replica."));
    expect([reconnectOnError!(refusal), reconnectOnError!(refusal), reconnectOnError!(new Error('OOM'))]).toEqual([true, false, false]);
  });
});
