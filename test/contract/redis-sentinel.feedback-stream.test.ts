import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { newInbox } from '../../lib/protocol/keys';
import { RedisFeedbackStream } from '../../lib/streams/redis/redis.feedback-stream';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { testFeedbackStream } from '../../lib/testing/feedback-stream.contract';
import { startRedisSentinel, type RedisSentinel } from '../support/redis-sentinel';
import { describeWith } from '../support/servers';

describeWith(['own-redis'], 'Redis behind sentinels', () => {
  let sentinel: RedisSentinel;
  beforeAll(async () => {
    sentinel = await startRedisSentinel();
  });
  afterAll(() => sentinel?.close());

  const create = (url: string, connectTimeoutMs = 10_000) =>
    new RedisFeedbackStream({ url: parseStreamUrl(url), options: {}, logger: SILENT_LOGGER, connectTimeoutMs });

  testFeedbackStream({
    name: 'redis behind sentinels',
    create: async () => ({ stream: create(sentinel.url) }),
    runner: { describe, it },
  });
  testFeedbackStream({
    name: 'redis behind sentinels, database 3',
    create: async () => ({ stream: create(`${sentinel.url}/3`) }),
    runner: { describe, it },
  });

  it('a sentinel that is away is passed over', async () => {
    const stream = create(sentinel.url.replace('://', '://127.0.0.1:1,'));
    await stream.connect();
    await stream.close();
  });

  it('an unknown master is UNREACHABLE in bounded time', async () => {
    const stream = create(`redis+sentinel://127.0.0.1:${sentinel.sentinels[0]}/nobody`, 500);
    const startedAt = performance.now();
    await expect(stream.connect()).rejects.toMatchObject({
      code: 'UNREACHABLE',
      retryable: true,
      message: expect.stringContaining('No such master'),
    });
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    await stream.close();
  });

  it('sentinels that are away are UNREACHABLE in bounded time, and what waited is settled', async () => {
    const stream = create('redis+sentinel://127.0.0.1:1,127.0.0.1:2/streamback', 500);
    const write = stream.write(newInbox(), [{ field: 'frame', value: Buffer.from('x') }]).catch((error: unknown) => error);
    await expect(stream.connect()).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true });
    expect(await write).toMatchObject({ code: 'UNREACHABLE' });
    await stream.close();
  });

  it('sentinels that want a password are told of at once, and get their own', async () => {
    const [port] = sentinel.sentinels;
    const admin = new Redis({ host: '127.0.0.1', port: port! });
    await admin.acl('SETUSER', 'default', 'resetpass', '>guarded');
    const url = `redis+sentinel://127.0.0.1:${port}/streamback`;
    const refused = create(url);
    await expect(refused.connect()).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED', retryable: false });
    await refused.close();
    const stream = new RedisFeedbackStream({
      url: parseStreamUrl(url),
      options: { client: { sentinelPassword: 'guarded' } },
      logger: SILENT_LOGGER,
    });
    await stream.connect();
    await stream.close();
    await admin.acl('SETUSER', 'default', 'nopass');
    admin.disconnect();
  });
});
