import type { ClusterNode, ClusterOptions, Redis } from 'ioredis';
import { backoffDelayMs } from '../../common/backoff';
import { loadPackage } from '../../common/optional-package';
import type { StreamUrl } from '../streams-url';
import { CONNECT_TIMEOUT_MS, DEFAULT_PORT, invalidUrl, redisHosts, redisOptions } from './redis.client';
import type { StreambackRedisOptions } from './redis.options';

const RECONNECT = { delayMs: 50, factor: 2, maxDelayMs: 2_000, jitter: 0.2 };
const REMEDY = "Write it as 'redis+cluster://[user[:password]@]host[:port],host[:port]'.";

export interface RedisClusterAddress {
  /** Where the cluster is asked for its nodes. */
  readonly nodes: readonly ClusterNode[];
  readonly options: ClusterOptions;
  /** For logs and errors: no user, no password. */
  readonly address: string;
}

/**
 * What a client of a cluster is made with.
 * @throws StreambackConfigError INVALID_STREAMS_URL
 */
export function redisClusterAddress(url: StreamUrl, options: StreambackRedisOptions): RedisClusterAddress {
  if (url.hosts.length === 0) throw invalidUrl('A Redis Cluster URL names at least one node', REMEDY);
  if (url.path !== '') throw invalidUrl('A Redis Cluster has no databases to choose from', REMEDY);
  const nodes = url.hosts.map(({ host, port = DEFAULT_PORT }) => ({ host, port }));
  const {
    retryStrategy: _retry,
    enableOfflineQueue: _queue,
    host: _host,
    port: _port,
    path: _path,
    ...node
  } = redisOptions(url, { connectTimeout: CONNECT_TIMEOUT_MS }, options);
  return {
    nodes,
    address: redisHosts(nodes),
    options: {
      // Half a second of a node that is away; then the connection says so, and sends again by itself.
      maxRedirections: 5,
      ...options.cluster,
      redisOptions: node,
      // As with one server, this is what promises rest on.
      clusterRetryStrategy: (attempt) => backoffDelayMs(attempt, RECONNECT),
      lazyConnect: true,
      enableOfflineQueue: true,
      enableAutoPipelining: false,
      // A replica may be behind: an inbox would look empty, or a process dead.
      scaleReads: 'master',
      keyPrefix: '',
    },
  };
}

/**
 * An unconnected client of a cluster. Its 'error' events have a listener, so that none ends the process. It is typed as what it can be
 * used like: the commands and events of a Redis.
 */
export function createRedisCluster({ nodes, options }: RedisClusterAddress): Redis {
  const ioredis = loadPackage<typeof import('ioredis')>('ioredis', 'redis+cluster:// streams');
  return new ioredis.Cluster([...nodes], options).on('error', () => {}) as unknown as Redis;
}
