import { afterAll, beforeAll, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { newInbox } from '../../lib/protocol/keys';
import { RedisFeedbackStream } from '../../lib/streams/redis/redis.feedback-stream';
import type { StreambackRedisOptions } from '../../lib/streams/redis/redis.options';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { CANARY_PASSWORD } from '../support/canary';
import { makeCertificate, type Certificate } from '../support/certificate';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { temporaryFolder } from '../support/process-guard';
import { startRedis, type RedisServer } from '../support/redis';
import { describeWith } from '../support/servers';

describeWith(['own-redis'], 'Redis with TLS', () => {
  const folder = temporaryFolder('redis-tls');
  let redis: RedisServer;
  let trusted: Certificate;
  let url: string;
  beforeAll(async () => {
    trusted = await makeCertificate(folder.path);
    const port = await freePort();
    const files = ['--tls-cert-file', trusted.certificateFile, '--tls-key-file', trusted.keyFile, '--tls-auth-clients', 'no'];
    redis = await startRedis({ password: CANARY_PASSWORD, args: ['--tls-port', String(port), ...files] });
    url = redis.urlOn(port).replace('redis://', 'rediss://');
  });
  afterAll(async () => {
    await redis?.close();
    folder.remove();
  });

  const open = (options: StreambackRedisOptions = {}): RedisFeedbackStream =>
    new RedisFeedbackStream({ url: parseStreamUrl(url), options, logger: SILENT_LOGGER, connectTimeoutMs: 3_000 });

  it('answers travel over it, user and password in the URL', async () => {
    const stream = open({ client: { tls: { ca: trusted.certificate } } });
    const received: string[] = [];
    const inbox = newInbox();
    await stream.openReader({
      inbox,
      ttlMs: 60_000,
      leaseMs: 5_000,
      onItems: (items) => received.push(...items.map(({ value }) => String(value))),
      onLost: () => {},
    });
    expect(await stream.write(inbox, [{ field: 'frame', value: Buffer.from('hello') }])).toBe('written');
    await eventually('it came', () => received.includes('hello'));
    await stream.close();
  });

  it('a certificate that is not trusted is UNREACHABLE, and the error says why', async () => {
    const stream = open();
    const error: unknown = await stream.connect().catch((each: unknown) => each);
    expect(error).toMatchObject({ code: 'UNREACHABLE', message: expect.stringMatching(/certificate/i) });
    await stream.close();
  });
});
