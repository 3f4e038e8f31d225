import type { RedisConnection } from './redis.connection';
import { cancelKeyOf } from './redis.keys';

/** Requests that are not wanted any more, for consumers that have not started them. */
export class RedisCancels {
  constructor(private readonly connection: RedisConnection) {}

  async mark(ids: readonly string[], ttlMs: number): Promise<void> {
    await this.connection.batch(ids.map((id) => ['set', cancelKeyOf(id), '1', 'PX', ttlMs]));
  }

  async marked(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const keys = ids.map(cancelKeyOf);
    // Hardly any is marked, as a rule: a command for each would cost a consumer that is behind more than its requests do.
    if (keys.length === 0 || (await this.connection.areAbsent(keys))) return new Set();
    const replies = await this.connection.batch(keys.map((key) => ['exists', key]));
    return new Set(ids.filter((_id, index) => Number(replies[index]?.[1]) > 0));
  }
}
