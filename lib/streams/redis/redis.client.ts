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

/** Of several addresses, one that does not answer is given up after so long, in ms, so that there is time for another. */
export const CONNECT_TIMEOUT_MS = 3_000;

export const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26379;
const RECONNECT = { delayMs: 50, factor: 2, maxDelayMs: 2_000, jitter: 0.2 };
/** A server that is a read-only replica is asked for again through a new connection, but not for each refused write. */
const READONLY_RECONNECT_MS = 5_000;

const REMEDIES = {
  single: "Write it as 'redis://[user[:password]@]host[:port][/db]'.",
  sentinel: "Write it as 'redis+sentinel://[user[:password]@]host[:port],host[:port]/master[/db]'.",
};

/**
 * The ioredis options of one connection to one server, be it found by its address or by sentinels.
 * @throws StreambackConfigError INVALID_STREAMS_URL
 */
export function redisClientOptions(url: StreamUrl, options: StreambackRedisOptions): RedisOptions {
  return redisOptions(url, url.scheme === 'redis+sentinel' ? sentinelOptions(url) : serverOptions(url), options);
}

/** The options that every client has, wherever it goes. */
export function redisOptions(url: StreamUrl, where: RedisOptions, { client }: StreambackRedisOptions): RedisOptions {
  return {
    socketTimeout: SOCKET_TIMEOUT_MS,
    disconnectTimeout: 500,
    retryStrategy: (attempt) => backoffDelayMs(attempt, RECONNECT),
    reconnectOnError: reconnectOnReadOnly(),
    connectionName: 'streamback',
    ...where,
    ...(url.username === undefined ? {} : { username: url.username }),
    ...(url.password === undefined ? {} : { password: url.password }),
    ...client,
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

function serverOptions(url: StreamUrl): RedisOptions {
  const [host, ...others] = url.hosts;
  if (!host || others.length > 0) throw invalidUrl(`A Redis URL names one host, not ${url.hosts.length}`, REMEDIES.single);
  return {
    ...(url.scheme === 'rediss' ? { tls: {} } : {}),
    host: host.host,
    port: host.port ?? DEFAULT_PORT,
    ...(url.path === '' ? {} : { db: databaseOf(url.path, REMEDIES.single) }),
  };
}

function sentinelOptions(url: StreamUrl): RedisOptions {
  if (url.hosts.length === 0) throw invalidUrl('A Redis Sentinel URL names at least one sentinel', REMEDIES.sentinel);
  const [name = '', ...database] = url.path.split('/');
  if (name === '') throw invalidUrl('A Redis Sentinel URL names its master', REMEDIES.sentinel);
  return {
    sentinels: url.hosts.map(({ host, port = DEFAULT_SENTINEL_PORT }) => ({ host, port })),
    name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    ...(database.length === 0 ? {} : { db: databaseOf(database.join('/'), REMEDIES.sentinel) }),
  };
}

/** Where a connection goes, for logs and errors: no user, no password. */
export function redisAddress(options: RedisOptions): string {
  if (options.path) return options.path;
  const database = options.db ? `/${options.db}` : '';
  if (options.sentinels) return `${redisHosts(options.sentinels)}/${options.name}${database}`;
  return `${redisHosts([options])}${database}`;
}

/** Hosts as a URL has them. */
export const redisHosts = (nodes: readonly { readonly host?: string | undefined; readonly port?: number | undefined }[]): string =>
  nodes.map(({ host, port }) => `${host?.includes(':') ? `[${host}]` : host}:${port}`).join(',');

export const invalidUrl = (message: string, remedy: string): StreambackConfigError =>
  new StreambackConfigError('INVALID_STREAMS_URL', message, { option: 'streams', remedy });

/** An unconnected client. Its 'error' events have a listener, so that none ends the process. */
export function createRedis(options: RedisOptions): Redis {
  const ioredis = loadPackage<typeof import('ioredis')>('ioredis', 'redis:// streams');
  return new ioredis.Redis(options).on('error', () => {});
}

function databaseOf(path: string, remedy: string): number {
  if (!/^\d{1,5}$/.test(path)) throw invalidUrl(`A Redis URL's path ends in the number of a database, not ${JSON.stringify(path)}`, remedy);
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
