import type { Kafka, KafkaConfig, LogEntry, SASLOptions } from 'kafkajs';
import { StreambackConfigError } from '../../common/errors';
import type { StreambackLogger } from '../../common/logger';
import { withoutUndefined } from '../../common/option-rules';
import { redact } from '../../common/redact';
import type { StreamUrl } from '../streams-url';
import type { StreambackKafkaOptions } from './kafka.options';
import { restWhenIdle } from './kafka.idle-connections';
import { kafkajs } from './kafka.package';
import { createSocket } from './kafka.socket';

const DEFAULT_PORT = 9092;
const DEFAULT_CLIENT_ID = 'nestjs-streamback';
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
/** A line of kafkajs that was said is said again after so long. */
const REPEAT_LOG_AFTER_MS = 60_000;
/** Connections that come and go, rebalances and refusals are reported by us, once; kafkajs says them at each try. */
const ROUTINE =
  /rebalanc|authoriz|without match|re-joining|connect|ECONN|socket|seed broker|Crash|Restarting|Response (Heartbeat|JoinGroup|SyncGroup|Metadata|Offset\w+|ListOffsets|Fetch|Produce|GroupCoordinator)|Failed to send messages|retries exceeded|No broker available|Failed to find group coordinator/i;

/** What fails with these is thrown to us, with its reason; that a topic exists is no failure. */
const THROWN = /^Response CreateTopics/;
/** Their reason is the broker's own word; that of a login might repeat what was sent. */
const REASONED = /^Response (?!Sasl)/;

export interface KafkaClientSettings {
  readonly url: StreamUrl;
  readonly options: StreambackKafkaOptions;
  readonly logger: StreambackLogger;
  /** @default 'nestjs-streamback' */
  readonly clientId?: string;
}

/** The brokers of a URL as kafkajs takes them; also for messages, as it holds no password. */
export function brokersOf(url: StreamUrl): string[] {
  const hosts = url.hosts.length === 0 ? [{ host: 'localhost', port: DEFAULT_PORT }] : url.hosts;
  return hosts.map(({ host, port = DEFAULT_PORT }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
}

/**
 * kafkajs' own configuration for a URL and options; what `options.client` says wins.
 * @throws StreambackConfigError INVALID_STREAMS_URL, PLAINTEXT_SASL
 */
export function kafkaConfig({ url, options, logger, clientId }: KafkaClientSettings): KafkaConfig {
  const sasl = saslOf(url);
  const config: KafkaConfig = {
    clientId: clientId ?? DEFAULT_CLIENT_ID,
    brokers: brokersOf(url),
    socketFactory: createSocket,
    ...(url.scheme === 'kafka+ssl' ? { ssl: true } : {}),
    ...(sasl ? { sasl } : {}),
    // Few and quick: whoever calls tries again itself, with a backoff that it can end.
    retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 1_000 },
    logLevel: kafkajs().logLevel.WARN,
    logCreator: bridgeTo(logger),
    ...withoutUndefined(options.client ?? {}),
  };
  if (
    config.sasl &&
    'mechanism' in config.sasl &&
    config.sasl.mechanism.toLowerCase() === 'plain' &&
    !config.ssl &&
    !options.allowPlaintextSasl
  ) {
    throw new StreambackConfigError('PLAINTEXT_SASL', 'SASL PLAIN without TLS shows the password to the network', {
      option: 'kafka.allowPlaintextSasl',
    });
  }
  return config;
}

/**
 * A client of its own. Consumers must not share one: kafkajs keeps the offsets of a group in the client, and two consumers of
 * one group overwrite each other's.
 */
export function createKafka(settings: KafkaClientSettings): Kafka {
  return restWhenIdle(new (kafkajs().Kafka)(kafkaConfig(settings)));
}

function saslOf(url: StreamUrl): SASLOptions | undefined {
  const mechanism = (url.query.get('mechanism') ?? 'plain').toLowerCase();
  if (!(MECHANISMS as readonly string[]).includes(mechanism)) {
    throw new StreambackConfigError('INVALID_STREAMS_URL', `mechanism=${JSON.stringify(mechanism)} is none of ${MECHANISMS.join(', ')}`, {
      option: 'streams',
    });
  }
  if (url.username === undefined) {
    if (!url.query.has('mechanism')) return undefined;
    throw new StreambackConfigError('INVALID_STREAMS_URL', `mechanism=${mechanism} needs a user and a password`, { option: 'streams' });
  }
  return { mechanism: mechanism as (typeof MECHANISMS)[number], username: url.username, password: url.password ?? '' };
}

function bridgeTo(logger: StreambackLogger): () => (entry: LogEntry) => void {
  const { WARN, ERROR } = kafkajs().logLevel;
  const said = new Map<string, number>();
  return () =>
    ({ level, namespace, log }) => {
      if (THROWN.test(log.message)) return;
      // Only the message and a reason: what kafkajs adds holds stacks, group members and, for SASL, parts of what was sent.
      const { error } = log as { readonly error?: unknown };
      const reason = typeof error === 'string' && REASONED.test(log.message) ? `: ${error}` : '';
      const line = redact(`kafkajs ${namespace}: ${log.message}${reason}`);
      const now = Date.now();
      const repeated = now - (said.get(line) ?? 0) < REPEAT_LOG_AFTER_MS;
      if (repeated) return;
      if (said.size > 100) said.clear();
      said.set(line, now);
      if (level > WARN || ROUTINE.test(log.message)) logger.debug(line);
      else if (level === ERROR) logger.error(line);
      else logger.warn(line);
    };
}
