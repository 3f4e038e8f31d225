import type { StreambackLogger } from '../../common/logger';
import type { RedisConnection } from './redis.connection';

/** The maxmemory-policy of an INFO reply, where it is one that evicts keys. */
export function evictingPolicy(info: string): string | undefined {
  const policy = /^maxmemory_policy:(.+?)\r?$/m.exec(info)?.[1];
  return policy === undefined || policy === 'noeviction' ? undefined : policy;
}

/** Says so where Redis may drop inboxes to make room: lanes would break while everything seems well. INFO needs no right to CONFIG. */
export async function warnOfEviction(connection: RedisConnection, address: string, logger: StreambackLogger): Promise<void> {
  try {
    const policy = evictingPolicy(await connection.run((redis) => redis.info('memory')));
    if (policy !== undefined) {
      logger.warn(`Redis at ${address} has maxmemory-policy ${policy}: when it is full it drops answers. Set it to noeviction.`);
    }
  } catch {
    // Forbidden, or gone again: only a warning is missed.
  }
}
