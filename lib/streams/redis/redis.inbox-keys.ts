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
    // Not in one transaction, for the two keys may lie on two nodes: nobody knows of the inbox before both are there.
    const lease = this.connection.run((redis) => redis.set(this.lease, '1', 'PX', this.leaseMs));
    const inbox = runTransaction(this.connection, (transaction) =>
      // A stream cannot be created empty; its reader passes over this entry. The trim drops nothing: where trimming is not
      // allowed, what was read would fill Redis unnoticed.
      transaction.xadd(this.inbox, '*', 'o', '1').pexpire(this.inbox, this.ttlMs).xtrim(this.inbox, 'MINID', '0-1'),
    );
    try {
      const [[id]] = await Promise.all([inbox, lease]);
      return String(id);
    } catch (error) {
      await Promise.allSettled([inbox, lease]);
      await this.delete().catch(() => {});
      throw error;
    }
  }

  /**
   * Renews both lives and drops what was read up to `lastId`.
   * @param verify also sees whether the stream is the one that was read: a server that was failed over to may be behind
   */
  async renew(lastId: string, verify: boolean): Promise<'renewed' | 'lost'> {
    const [inbox, lease] = await Promise.allSettled([this.renewInbox(lastId, verify), this.renewLease()]);
    if (inbox.status === 'rejected') throw inbox.reason;
    if (inbox.value === 'renewed' && lease.status === 'rejected') throw lease.reason;
    return inbox.value;
  }

  private async renewInbox(lastId: string, verify: boolean): Promise<'renewed' | 'lost'> {
    const [expiry, trimmed, info] = await this.connection.once(async (redis) => {
      const pipeline = redis.pipeline().pexpire(this.inbox, this.ttlMs).xtrim(this.inbox, 'MINID', nextId(lastId));
      if (verify) pipeline.xinfo('STREAM', this.inbox);
      return (await pipeline.exec()) ?? [];
    });
    if (expiry?.[0]) throw expiry[0];
    if (Number(expiry?.[1]) === 0 || isMissingKey(info?.[0])) return 'lost';
    if (info?.[0]) throw info[0];
    const generated = lastGeneratedId(info?.[1]);
    if (generated !== undefined && compareIds(generated, lastId) < 0) return 'lost';
    if (trimmed?.[0]) throw trimmed[0];
    return 'renewed';
  }

  private async renewLease(): Promise<void> {
    // Not SET, which a full server refuses: it would let the process look dead.
    const found = await this.connection.once((redis) => redis.pexpire(this.lease, this.leaseMs));
    if (Number(found) === 0) await this.connection.once((redis) => redis.set(this.lease, '1', 'PX', this.leaseMs));
  }

  async trim(lastId: string): Promise<void> {
    await this.connection.once((redis) => redis.xtrim(this.inbox, 'MINID', nextId(lastId)));
  }

  async delete(): Promise<void> {
    // Two commands, for the two keys may lie on two nodes.
    await Promise.all([this.connection.once((redis) => redis.del(this.inbox)), this.connection.once((redis) => redis.del(this.lease))]);
  }
}
