import type { RedisConnection } from './redis.connection';
import { leaseKeyOf } from './redis.keys';

/** A pipeline's reply is held in memory as a whole. */
const INBOXES_AT_ONCE = 1_000;

/** Says which inboxes' processes live; a doubt is for life. @see FeedbackStream.alive */
export class RedisLeases {
  constructor(private readonly connection: RedisConnection) {}

  async alive(inboxes: readonly string[], leaseMs: number): Promise<ReadonlySet<string>> {
    const all = [...new Set(inboxes)];
    // Whoever was cut off together with us had no way to renew: a whole lease must pass first.
    if (all.length === 0 || this.connection.upForMs < leaseMs) return new Set(all);
    const alive = new Set<string>();
    const startedAt = performance.now();
    for (let at = 0; at < all.length; at += INBOXES_AT_ONCE) {
      const some = all.slice(at, at + INBOXES_AT_ONCE);
      const exists = await this.exist(some);
      some.forEach((inbox, index) => {
        if (exists[index] !== false) alive.add(inbox);
      });
    }
    if (performance.now() - startedAt > leaseMs / 3) this.connection.wasSlow();
    return this.connection.upForMs < leaseMs ? new Set(all) : alive;
  }

  /** `undefined` where Redis did not say. */
  private async exist(inboxes: readonly string[]): Promise<readonly (boolean | undefined)[]> {
    try {
      // A command for each key, because the keys may lie on several nodes.
      const replies = await this.connection.run((redis) => {
        const pipeline = redis.pipeline();
        for (const inbox of inboxes) pipeline.exists(leaseKeyOf(inbox));
        return pipeline.exec();
      });
      return (replies ?? []).map(([error, count]) => (error ? undefined : Number(count) > 0));
    } catch (error) {
      if (this.connection.isClosed) throw error;
      return [];
    }
  }
}
