import type { RedisBatch, RedisConnection } from './redis.connection';
import { leaseKeyOf } from './redis.keys';

/** A pipeline's reply is held in memory as a whole. */
const INBOXES_AT_ONCE = 1_000;

/** Says which inboxes' processes live; a doubt is for life. @see FeedbackStream.alive */
export class RedisLeases {
  constructor(private readonly connection: RedisConnection) {}

  async alive(inboxes: readonly string[], leaseMs: number): Promise<ReadonlySet<string>> {
    const all = [...new Set(inboxes)];
    if (all.length === 0 || this.connection.upForMs <= 0) return new Set(all);
    const found: Found[] = [];
    const startedAt = performance.now();
    for (let at = 0; at < all.length; at += INBOXES_AT_ONCE) found.push(...(await this.find(all.slice(at, at + INBOXES_AT_ONCE))));
    if (performance.now() - startedAt > leaseMs / 3) this.connection.wasSlow();
    // Whoever was cut off together with us had no way to renew its lease: a whole lease must pass first. An inbox is never made twice.
    const leasesCount = this.connection.upForMs >= leaseMs;
    return new Set(all.filter((_inbox, index) => found[index]?.inbox !== false && !(leasesCount && found[index]?.lease === false)));
  }

  private async find(inboxes: readonly string[]): Promise<readonly Found[]> {
    try {
      const replies = await this.connection.batch(
        inboxes.flatMap((inbox): RedisBatch => [
          ['exists', inbox],
          ['exists', leaseKeyOf(inbox)],
        ]),
      );
      const exists = replies.map(([error, count]) => (error ? undefined : Number(count) > 0));
      return inboxes.map((_inbox, index) => ({ inbox: exists[2 * index], lease: exists[2 * index + 1] }));
    } catch (error) {
      if (this.connection.isClosed) throw error;
      return inboxes.map(() => ({}));
    }
  }
}

/** Whether the two keys are there; `undefined` where Redis did not say. */
interface Found {
  readonly inbox?: boolean | undefined;
  readonly lease?: boolean | undefined;
}
