import type { Redis, RedisOptions } from 'ioredis';
import { backoffDelayMs } from '../../common/backoff';
import { StreambackConfigError } from '../../common/errors';
import { loadPackage } from '../../common/optional-package';
import type { StreamUrl } from '../streams-url';
import type { StreambackRedisOptions } from './redis.options';

/** A silent connection with commands pending is given up after so long, in ms; blocking reads are shorter than that. */
export const SOCKET_TIMEOUT_MS = 10_000;
/** How long a blocking read waits on the server, in ms. */
export const BLOCK_MS = 4_000;

const DEFAULT_PORT = 6379;
const RECONNECT = { delayMs: 50, factor: 2, maxDelayMs: 2_000, jitter: 0.2 };
/** A server that is a read-only replica is asked for again through a new connection, but not for each refused write. */
const READONLY_RECONNECT_MS = 5_000;

/**
 * The ioredis options of one connection.
 * @throws StreambackConfigError INVALID_STREAMS_URL
 */
export function redisClientOptions(url: StreamUrl, options: StreambackRedisOptions): RedisOptions {
  const [host, ...others] = url.hosts;
  if (!host || others.length > 0) {
    throw new StreambackConfigError('INVALID_STREAMS_URL', `A Redis URL names one host, not ${url.hosts.length}`, {
      option: 'streams',
      remedy: "Write it as 'redis://[user[:password]@]host[:port][/db]'.",
    });
  }
  return {
    socketTimeout: SOCKET_TIMEOUT_MS,
    disconnectTimeout: 500,
    retryStrategy: (attempt) => backoffDelayMs(attempt, RECONNECT),
    reconnectOnError: reconnectOnReadOnly(),
    connectionName: 'streamback',
    ...(url.scheme === 'rediss' ? { tls: {} } : {}),
    host: host.host,
    port: host.port ?? DEFAULT_PORT,
    ...(url.username === undefined ? {} : { username: url.username }),
    ...(url.password === undefined ? {} : { password: url.password }),
    ...(url.path === '' ? {} : { db: databaseOf(url.path) }),
    ...options.client,
    // What follows is what promises rest on: commands wait for Redis to be back, and none is given up or answered by a timer.
    lazyConnect: true,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: true,
    enableOfflineQueue: true,
    enableAutoPipelining: false,
    commandTimeout: undefined,
    blockingTimeout: undefined,
    keyPrefix: '',
  };
}

/** Where a connection goes, for logs and errors: no user, no password. */
export function redisAddress(options: RedisOptions): string {
  if (options.path) return options.path;
  const host = options.host?.includes(':') ? `[${options.host}]` : options.host;
  return `${host}:${options.port}${options.db ? `/${options.db}` : ''}`;
}

/** An unconnected client. Its 'error' events have a listener, so that none ends the process. */
export function createRedis(options: RedisOptions): Redis {
  const ioredis = loadPackage<typeof import('ioredis')>('ioredis', 'redis:// streams');
  return new ioredis.Redis(options).on('error', () => {});
}

function databaseOf(path: string): number {
  if (!/^\d{1,5}$/.test(path)) {
    throw new StreambackConfigError(
      'INVALID_STREAMS_URL',
      `A Redis URL's path is the number of its database, not ${JSON.stringify(path)}`,
      {
        option: 'streams',
        remedy: "Write it as 'redis://[user[:password]@]host[:port][/db]'.",
      },
    );
  }
  return Number(path);
}

function reconnectOnReadOnly(): (error: Error) => boolean {
  let lastAt = -Infinity;
  return (error) => {
    if (!error.message.startsWith('READONLY') || performance.now() - lastAt < READONLY_RECONNECT_MS) return false;
    lastAt = performance.now();
    return true;
  };
}
