import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../lib/common/logger';
import { MemoryFeedbackStream } from '../../../lib/streams/memory/memory.feedback-stream';
import { RedisClusterFeedbackStream } from '../../../lib/streams/redis/redis.cluster-feedback-stream';
import { RedisFeedbackStream } from '../../../lib/streams/redis/redis.feedback-stream';
import { resolveFeedbackStream } from '../../../lib/streams/stream-resolver';

const resolve = (url: string) =>
  resolveFeedbackStream(url, { kafka: {}, redis: {}, publishTimeoutMs: 1, clientId: 'test', logger: SILENT_LOGGER });

describe('resolveFeedbackStream', () => {
  it.each([
    ['redis://cache', RedisFeedbackStream],
    ['rediss://cache', RedisFeedbackStream],
    ['redis+sentinel://a,b/master', RedisFeedbackStream],
    ['redis+cluster://a,b', RedisClusterFeedbackStream],
    ['memory://', MemoryFeedbackStream],
  ])('knows %s', async (url, kind) => {
    const stream = resolve(url);
    expect(stream).toBeInstanceOf(kind);
    await stream.close();
  });

  it.each(['redis+sentinel://a,b', 'redis+sentinel:///master', 'redis+cluster://', 'redis+cluster://a/1', 'redis://a,b'])(
    'refuses %s, and says how it is written',
    (url) => {
      expect(() => resolve(url)).toThrow(
        expect.objectContaining({ code: 'INVALID_STREAMS_URL', remedy: expect.stringContaining(`${url.split('://')[0]}://`) }),
      );
    },
  );

  it('names the schemes that it knows', () => {
    expect(() => resolve('redis+ring://a')).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_SCHEME', remedy: expect.stringMatching(/redis\+sentinel:\/\/, redis\+cluster:\/\//) }),
    );
  });
});
