import { isMissingKey } from './redis.errors';
import type { RedisConnection } from './redis.connection';
import { compareIds, lastGeneratedId, nextId } from './redis.inbox-entry';
import { leaseKeyOf } from './redis.keys';
import { runTransaction } from './redis.transaction';

/** The inbox's two keys on the writing connection: creates them, renews their lives, trims what was read, deletes them (F3). */
export class RedisInboxKeys {
  private readonly lease: string;

  constructor(
    private readonly connection: RedisConnection,
    private readonly inbox: string,
    private readonly ttlMs: number,
    private readonly leaseMs: number,
  ) {
    this.lease = leaseKeyOf(inbox);
  }

  /** Creates both. Resolves to the id after which everything is to be read. */
  async create(): Promise<string> {
    const [id] = await runTransaction(this.connection, (transaction) =>
      transaction
        // A stream cannot be created empty; its reader passes over this entry.
        .xadd(this.inbox, '*', 'o', '1')
        .pexpire(this.inbox, this.ttlMs)
        .set(this.lease, '1', 'PX', this.leaseMs),
    );
    return String(id);
  }

  /**
   * Renews both lives and drops what was read up to `lastId`.
   * @param verify also sees whether the stream is the one that was read: a server that was failed over to may be behind
   */
  async renew(lastId: string, verify: boolean): Promise<'renewed' | 'lost'> {
    const replies = await this.connection.run((redis) => {
      const pipeline = redis
        .pipeline()
        .pexpire(this.inbox, this.ttlMs)
        // Not SET, which a full server refuses: it would let the process look dead.
        .pexpire(this.lease, this.leaseMs)
        .xtrim(this.inbox, 'MINID', nextId(lastId));
      if (verify) pipeline.xinfo('STREAM', this.inbox);
      return pipeline.exec();
    });
    const [expiry, lease, , info] = replies ?? [];
    if (expiry?.[0]) throw expiry[0];
    if (Number(expiry?.[1]) === 0 || isMissingKey(info?.[0])) return 'lost';
    if (lease?.[0]) throw lease[0];
    if (Number(lease?.[1]) === 0) await this.connection.run((redis) => redis.set(this.lease, '1', 'PX', this.leaseMs));
    const generated = lastGeneratedId(info?.[1]);
    return generated !== undefined && compareIds(generated, lastId) < 0 ? 'lost' : 'renewed';
  }

  async trim(lastId: string): Promise<void> {
    await this.connection.run((redis) => redis.xtrim(this.inbox, 'MINID', nextId(lastId)));
  }

  async delete(): Promise<void> {
    // Two commands, for the two keys may lie on two nodes.
    await Promise.all([this.connection.run((redis) => redis.del(this.inbox)), this.connection.run((redis) => redis.del(this.lease))]);
  }
}
