import type { RedisOptions } from 'ioredis';

/** How a Redis stream is used. */
export interface StreambackRedisOptions {
  /**
   * ioredis' own options, over what the URL says; without `keyPrefix`, and without what the inbox decides.
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
}
