import { logLevel } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER, type StreambackLogger } from '../../../../lib/common/logger';
import { kafkaConfig } from '../../../../lib/streams/kafka/kafka.client';
import type { StreambackKafkaOptions } from '../../../../lib/streams/kafka/kafka.options';
import { parseStreamUrl } from '../../../../lib/streams/streams-url';

const config = (url: string, options: StreambackKafkaOptions = {}, logger: StreambackLogger = SILENT_LOGGER) =>
  kafkaConfig({ url: parseStreamUrl(url), options, logger });

describe('kafkaConfig', () => {
  it('takes brokers from the URL, on 9092 where it names no port', () => {
    expect(config('kafka://a,b:1234,[::1]:7').brokers).toEqual(['a:9092', 'b:1234', '[::1]:7']);
    expect(config('kafka://').brokers).toEqual(['localhost:9092']);
  });

  it('uses TLS for kafka+ssl', () => {
    expect(config('kafka+ssl://a').ssl).toBe(true);
    expect(config('kafka://a').ssl).toBeUndefined();
  });

  it('logs in as the URL says', () => {
    expect(config('kafka+ssl://me:se%40cret@a').sasl).toEqual({ mechanism: 'plain', username: 'me', password: 'se@cret' });
    expect(config('kafka://me:secret@a?mechanism=SCRAM-SHA-256').sasl).toEqual({
      mechanism: 'scram-sha-256',
      username: 'me',
      password: 'secret',
    });
    expect(config('kafka://a').sasl).toBeUndefined();
  });

  it('refuses SASL PLAIN without TLS, unless told', () => {
    expect(() => config('kafka://me:secret@a')).toThrow(
      expect.objectContaining({ code: 'PLAINTEXT_SASL', option: 'kafka.allowPlaintextSasl' }),
    );
    const sasl = { mechanism: 'plain', username: 'me', password: 'secret' } as const;
    expect(() => config('kafka://a', { client: { sasl } })).toThrow(expect.objectContaining({ code: 'PLAINTEXT_SASL' }));
    expect(config('kafka://me:secret@a', { allowPlaintextSasl: true }).sasl).toMatchObject({ mechanism: 'plain' });
    expect(config('kafka://a', { client: { sasl, ssl: {} } }).sasl).toBe(sasl);
  });

  it('refuses a mechanism that it does not know, or that has no user', () => {
    expect(() => config('kafka://me:canary@a?mechanism=gssapi')).toThrow(expect.objectContaining({ code: 'INVALID_STREAMS_URL' }));
    expect(() => config('kafka://a?mechanism=plain')).toThrow(expect.objectContaining({ code: 'INVALID_STREAMS_URL' }));
    try {
      config('kafka://me:canary@a?mechanism=gssapi');
    } catch (error) {
      expect(String(error)).not.toContain('canary');
    }
  });

  it("lets the client options win over the URL's", () => {
    expect(config('kafka://a', { client: { brokers: ['z:1'], clientId: 'x' } })).toMatchObject({ brokers: ['z:1'], clientId: 'x' });
  });

  it('says an unexpected line of kafkajs once, routine ones not aloud, and never what it carries', () => {
    const lines: string[] = [];
    const note = (level: string) => (line: string) => void lines.push(`${level} ${line}`);
    const logger = { log: note('log'), warn: note('warn'), error: note('error'), debug: note('debug') };
    const write = config('kafka://a', {}, logger).logCreator!(logLevel.WARN);
    const log = (level: logLevel, message: string, error?: string) =>
      write({
        namespace: 'Consumer',
        level,
        label: '',
        log: { message, error, timestamp: '', logger: 'kafkajs', secret: 'canary' } as never,
      });
    log(logLevel.ERROR, 'Something new');
    log(logLevel.ERROR, 'Something new');
    log(logLevel.WARN, 'The group is rebalancing, re-joining');
    log(logLevel.WARN, 'The group is rebalancing, re-joining');
    log(logLevel.ERROR, 'Response CreateTopics(key: 19, version: 3)', 'Topic creation errors');
    log(logLevel.ERROR, 'Response SaslAuthenticate(key: 36, version: 1)', 'canary');
    log(logLevel.ERROR, 'Response Metadata(key: 3, version: 6)', 'There is no leader');
    expect(lines).toEqual([
      'error kafkajs Consumer: Something new',
      'debug kafkajs Consumer: The group is rebalancing, re-joining',
      'error kafkajs Consumer: Response SaslAuthenticate(key: 36, version: 1)',
      'debug kafkajs Consumer: Response Metadata(key: 3, version: 6): There is no leader',
    ]);
  });
});
