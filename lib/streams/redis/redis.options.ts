import type { ClusterOptions, RedisOptions } from 'ioredis';

/** How a Redis stream is used. */
export interface StreambackRedisOptions {
  /**
   * ioredis' own options, over what the URL says; without `keyPrefix`, and without what the inbox decides. In a cluster those of each
   * node's connections.
   * @default {}
   */
  readonly client?: Partial<
    Omit<
      RedisOptions,
      | 'keyPrefix'
      | 'lazyConnect'
      | 'maxRetriesPerRequest'
      | 'autoResendUnfulfilledCommands'
      | 'enableOfflineQueue'
      | 'enableAutoPipelining'
      | 'commandTimeout'
      | 'blockingTimeout'
    >
  >;
  /**
   * ioredis' own options of a cluster, without those of its nodes, which are `client`, and without what the inbox decides.
   * @default {}
   */
  readonly cluster?: Partial<
    Omit<
      ClusterOptions,
      'redisOptions' | 'keyPrefix' | 'lazyConnect' | 'enableOfflineQueue' | 'enableAutoPipelining' | 'scaleReads' | 'clusterRetryStrategy'
    >
  >;
}
