import { Cluster } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { newInbox } from '../../lib/protocol/keys';
import type { InboxItem } from '../../lib/streams/feedback-stream';
import { RedisClusterFeedbackStream } from '../../lib/streams/redis/redis.cluster-feedback-stream';
import { leaseKeyOf } from '../../lib/streams/redis/redis.keys';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { testFeedbackStream } from '../../lib/testing/feedback-stream.contract';
import { eventually } from '../support/eventually';
import { startRedis } from '../support/redis';
import { startRedisCluster, type RedisCluster } from '../support/redis-cluster';
import { describeWith } from '../support/servers';

const item = (text: string): InboxItem => ({ field: 'frame', value: Buffer.from(text) });

describeWith(['own-redis'], 'Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.close());

  const create = (client = {}) =>
    new RedisClusterFeedbackStream({ url: parseStreamUrl(cluster.url), options: { client }, logger: SILENT_LOGGER });

  testFeedbackStream({ name: 'redis cluster', create: async () => ({ stream: create() }), runner: { describe, it } });
  testFeedbackStream({
    name: 'redis cluster, RESP2',
    create: async () => ({ stream: create({ protocol: 2 }) }),
    runner: { describe, it },
  });

  describe('what only a cluster has', () => {
    const open = async (stream: RedisClusterFeedbackStream) => {
      const inbox = newInbox();
      const received: string[] = [];
      let lost = 0;
      const reader = await stream.openReader({
        ttlMs: 60_000,
        leaseMs: 600,
        inbox,
        onItems: (items) => void received.push(...items.map(({ value }) => value.toString())),
        onLost: () => (lost += 1),
      });
      return { inbox, reader, received, lost: () => lost };
    };

    it('inboxes and leases lie on all nodes, and close deletes them', async () => {
      const stream = create();
      const opened = await Promise.all(Array.from({ length: 12 }, () => open(stream)));
      const keys = opened.flatMap(({ inbox }) => [inbox, leaseKeyOf(inbox)]);
      const owned = await cluster.onEach((node) => node.keys('streamback_*'));
      for (const each of owned) expect(each.length).toBeGreaterThan(0);
      expect(owned.flat()).toEqual(expect.arrayContaining(keys));
      expect(
        (
          await stream.alive(
            opened.map(({ inbox }) => inbox),
            600,
          )
        ).size,
      ).toBe(12);
      await stream.close();
      const left = (await cluster.onEach((node) => node.keys('streamback_*'))).flat();
      expect(left.filter((key) => keys.includes(key))).toEqual([]);
    });

    it('a slot that moves to another node takes its inbox along', async () => {
      const [stream, writer] = [create(), create()];
      const { inbox, received, lost } = await open(stream);
      const slot = Number((await cluster.onEach((node) => node.cluster('KEYSLOT', inbox)))[0]);
      expect(await writer.write(inbox, [item('before')])).toBe('written');
      const ids = (await cluster.onEach((node) => node.cluster('MYID'))).map(String);
      const holders = await cluster.onEach((node) => node.cluster('COUNTKEYSINSLOT', slot));
      const [from] = [holders.findIndex((count) => Number(count) > 0)];
      const to = (from + 1) % ids.length;
      let written = 0;
      const writing = (async () => {
        for (; written < 200; written += 1) expect(await writer.write(inbox, [item(String(written))])).toBe('written');
      })();
      await cluster.onEach(async (node) => {
        if (String(await node.cluster('MYID')) === ids[to]) await node.cluster('SETSLOT', slot, 'IMPORTING', ids[from]!);
      });
      await cluster.onEach(async (node) => {
        if (String(await node.cluster('MYID')) !== ids[from]) return;
        await node.cluster('SETSLOT', slot, 'MIGRATING', ids[to]!);
        for (const key of await node.cluster('GETKEYSINSLOT', slot, 100)) {
          await node.migrate('127.0.0.1', cluster.masters[to]!.port, key, 0, 5_000);
        }
      });
      await cluster.onEach((node) => node.cluster('SETSLOT', slot, 'NODE', ids[to]!));
      await writing;
      await eventually('all came', () => received.length >= 201);
      expect([...new Set(received)]).toEqual(['before', ...Array.from({ length: 200 }, (_, index) => String(index))]);
      expect(lost()).toBe(0);
      await Promise.all([stream.close(), writer.close()]);
    });

    it('an emptied node: the reader is told, writers are told gone', async () => {
      const stream = create();
      const { inbox, lost } = await open(stream);
      await cluster.onEach((node) => node.flushall());
      await eventually('told', () => lost() === 1, { timeoutMs: 2_000 });
      expect(await stream.write(inbox, [item('x')])).toBe('gone');
      await stream.close();
    });

    it('leaves no socket behind', async () => {
      const name = `sb-${newInbox().slice(-8)}`;
      const stream = create({ connectionName: name });
      await open(stream);
      const sockets = async (): Promise<number> => String(await cluster.onEach(async (node) => node.client('LIST'))).split(name).length - 1;
      expect(await sockets()).toBeGreaterThan(1);
      await stream.close();
      await eventually('all are closed', async () => (await sockets()) === 0);
    });

    it('gives the cluster client', async () => {
      const stream = create();
      expect(stream.unwrap()).toBeInstanceOf(Cluster);
      await stream.close();
    });
  });

  it('a server that is no cluster is told so at once', async () => {
    const single = await startRedis();
    const stream = new RedisClusterFeedbackStream({
      url: parseStreamUrl(`redis+cluster://127.0.0.1:${single.port}`),
      options: {},
      logger: SILENT_LOGGER,
    });
    await expect(stream.connect()).rejects.toMatchObject({ code: 'INVALID_STREAMS_URL', option: 'streams' });
    await stream.close();
    await single.close();
  });
});
