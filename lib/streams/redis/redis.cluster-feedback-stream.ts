import type { FeedbackStreamCapabilities, InboxItem, WriteResult } from '../feedback-stream';
import { createRedisCluster, redisClusterAddress } from './redis.cluster-client';
import { RedisClusterConnection } from './redis.cluster-connection';
import { RedisClusterInboxWriter } from './redis.cluster-inbox-writer';
import { closedError } from './redis.errors';
import { RedisInboxStream, type RedisStreamOptions } from './redis.inbox-stream';

/** How long closing waits for the writes that stand in line, in ms: a node may be away. */
const DRAIN_TIMEOUT_MS = 1_000;

/**
 * Answers over a Redis Cluster: inboxes as Redis streams, each on the node that has its slot. No feedback lists: a blocking pop takes the
 * keys of one slot, and Python streamback, whose form they are, does not know clusters.
 *
 * `redis+cluster://[user[:password]@]host[:port],…`; port 6379 unless said otherwise.
 */
export class RedisClusterFeedbackStream extends RedisInboxStream {
  readonly capabilities: FeedbackStreamCapabilities = { lists: false, durable: true };
  private readonly inboxWriter: RedisClusterInboxWriter;

  /** @throws StreambackConfigError INVALID_STREAMS_URL */
  constructor(options: RedisStreamOptions) {
    const { address } = redisClusterAddress(options.url, options.options);
    super(options, {
      address,
      newConnection: (connection) =>
        new RedisClusterConnection({
          ...connection,
          create: () => createRedisCluster(redisClusterAddress(options.url, options.options)),
        }),
    });
    this.inboxWriter = new RedisClusterInboxWriter(this.writing, address);
  }

  async write(inbox: string, items: readonly InboxItem[]): Promise<WriteResult> {
    if (this.closing) throw closedError(this.address);
    return this.inboxWriter.write(inbox, items);
  }

  protected async endOwn(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, DRAIN_TIMEOUT_MS)));
    await Promise.race([this.inboxWriter.idle(), timeout]);
    clearTimeout(timer);
  }
}
