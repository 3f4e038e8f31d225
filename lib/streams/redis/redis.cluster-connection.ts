import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import { backoffDelayMs } from '../../common/backoff';
import { RedisConnection, type RedisBatch, type RedisReplies } from './redis.connection';
import { isNodeAway } from './redis.errors';

/** Short at its longest: closing leaves the last pause running. */
const RETRY = { delayMs: 50, factor: 2, maxDelayMs: 500, jitter: 0.2 };

/**
 * A connection to all nodes of a cluster, through an ioredis Cluster. ioredis comes back by itself where all nodes are away; where one
 * is, it gives what was sent to it up before long. That is sent again from here, for as long as the node is away.
 */
export class RedisClusterConnection extends RedisConnection {
  /** Commands that wait for a node. */
  private waiting = 0;

  override get upForMs(): number {
    return this.waiting > 0 ? 0 : super.upForMs;
  }

  override run<T>(send: (redis: Redis) => Promise<T>): Promise<T> {
    return super.run((redis) => this.sendPatiently(redis, send));
  }

  override once<T>(send: (redis: Redis) => Promise<T>): Promise<T> {
    return super.run(send);
  }

  /** A command at a time: a pipeline takes the keys of one node only. */
  override async batch(commands: RedisBatch): Promise<RedisReplies> {
    const replies = await Promise.all(
      commands.map(([name, ...args]) =>
        this.once((redis) => redis.call(name, ...args)).then(
          (reply): RedisReplies[number] => [null, reply],
          (error: Error): RedisReplies[number] => [error, undefined],
        ),
      ),
    );
    const [refused] = replies.find(([error]) => error) ?? [];
    if (refused && this.isClosed) throw refused;
    if (refused) this.wasSlow();
    return replies;
  }

  /** The keys lie on several nodes. */
  override areAbsent(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  protected override watch(redis: Redis): void {
    // A node that is not reached, new or gone may have been away from everybody: leases on it could not be renewed.
    redis.on('node error', () => this.wasSlow());
    redis.on('+node', () => this.wasSlow());
    redis.on('-node', () => {
      if (this.client !== redis || this.isClosed) return;
      this.wasSlow();
      this.tellBack();
    });
  }

  /** Only to nodes that were used: others would be connected to for it. */
  protected override async quit(redis: Redis): Promise<void> {
    const used = nodesOf(redis).filter(({ status }) => status === 'ready');
    await Promise.all(used.map((node) => node.quit()));
  }

  protected override dispose(redis: Redis): void {
    const nodes = nodesOf(redis);
    redis.disconnect();
    for (const { stream } of nodes) stream?.destroy();
  }

  private async sendPatiently<T>(redis: Redis, send: (redis: Redis) => Promise<T>): Promise<T> {
    let failures = 0;
    try {
      for (;;) {
        try {
          return await send(redis);
        } catch (error) {
          if (!isNodeAway(error) || this.isClosed || this.client !== redis) throw error;
          failures += 1;
          if (failures === 1) this.waits(error);
          await pause(backoffDelayMs(failures, RETRY));
          if (this.isClosed || this.client !== redis) throw error;
        }
      }
    } finally {
      if (failures > 0) this.waitsNoMore();
    }
  }

  private waits(error: unknown): void {
    this.waiting += 1;
    if (this.waiting > 1) return;
    this.options.status.isDown(this, error);
    this.tellCut();
  }

  private waitsNoMore(): void {
    this.waiting -= 1;
    this.wasSlow();
    if (this.waiting > 0 || this.isClosed || !this.isReady) return;
    this.options.status.isUp(this);
    this.tellBack();
  }
}

const nodesOf = (redis: Redis): Redis[] => (redis as unknown as Cluster).nodes();
