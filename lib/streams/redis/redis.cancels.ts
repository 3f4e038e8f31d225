import type { RedisConnection } from './redis.connection';
import { cancelKeyOf } from './redis.keys';

/** Requests that are not wanted any more, for consumers that have not started them. */
export class RedisCancels {
  constructor(private readonly connection: RedisConnection) {}

  async mark(ids: readonly string[], ttlMs: number): Promise<void> {
    await this.connection.batch(ids.map((id) => ['set', cancelKeyOf(id), '1', 'PX', ttlMs]));
  }

  async marked(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const replies = await this.connection.batch(ids.map((id) => ['exists', cancelKeyOf(id)]));
    return new Set(ids.filter((_id, index) => Number(replies[index]?.[1]) > 0));
  }
}
