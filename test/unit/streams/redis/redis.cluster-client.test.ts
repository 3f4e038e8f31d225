import { expect, it } from 'vitest';
import { redisClusterAddress } from '../../../../lib/streams/redis/redis.cluster-client';
import { parseStreamUrl } from '../../../../lib/streams/streams-url';

const addressOf = (url: string, options = {}) => redisClusterAddress(parseStreamUrl(url), options);

it('takes nodes, user and password from the URL, and shows no secret', () => {
  const { nodes, address, options } = addressOf('redis+cluster://ann:canary@a,b:7000,[::1]:7001');
  expect(nodes).toEqual([
    { host: 'a', port: 6379 },
    { host: 'b', port: 7000 },
    { host: '::1', port: 7001 },
  ]);
  expect(address).toBe('a:6379,b:7000,[::1]:7001');
  expect(options.redisOptions).toMatchObject({ username: 'ann', password: 'canary', maxRetriesPerRequest: null });
});

it.each(['redis+cluster://', 'redis+cluster://a,b/1'])('refuses %s', (url) => {
  expect(() => addressOf(url)).toThrow(
    expect.objectContaining({ code: 'INVALID_STREAMS_URL', option: 'streams', remedy: expect.stringContaining('redis+cluster://') }),
  );
});

it("takes ioredis' own options of the cluster and of its nodes, but not what the inbox decides", () => {
  const { options } = addressOf('redis+cluster://a', {
    cluster: { slotsRefreshTimeout: 7, maxRedirections: 3, scaleReads: 'slave', enableOfflineQueue: false, lazyConnect: false },
    client: { tls: {}, keyPrefix: 'x', retryStrategy: () => null, host: 'elsewhere' },
  });
  expect(options).toMatchObject({
    slotsRefreshTimeout: 7,
    maxRedirections: 3,
    scaleReads: 'master',
    enableOfflineQueue: true,
    lazyConnect: true,
    keyPrefix: '',
    redisOptions: { tls: {}, keyPrefix: '' },
  });
  expect(options.redisOptions).not.toHaveProperty('host');
  expect(options.redisOptions).not.toHaveProperty('retryStrategy');
});
