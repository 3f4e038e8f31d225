import { readdirSync } from 'node:fs';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { startApp, type AppMessage } from '../support/app-process';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka } from '../support/kafka';
import { temporaryFolder } from '../support/process-guard';
import { startRedis } from '../support/redis';
import { describeWith } from '../support/servers';
import { startTcpProxy } from '../support/tcp-proxy';

// A fault test proves nothing where the fault did not happen: this suite holds the tools themselves to their word.

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describeWith(['own-redis'], 'servers of a test: Redis', () => {
  it('is killed and started again on the same port', async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    const first = server.pid;
    await server.kill();
    expect(isAlive(first)).toBe(false);
    await server.start();
    expect(server.pid).not.toBe(first);
    expect(server.running).toBe(true);
  });

  it('is gone, with its folder, after its owner was killed', async () => {
    const folder = temporaryFolder('owner');
    onTestFinished(() => folder.remove());
    const app = await startApp('test/fault/apps/server-owner.app.ts', { env: { TMPDIR: folder.path } });
    const started = await app.next<AppMessage & { server: number }>('started');
    expect(isAlive(started.server)).toBe(true);
    expect(readdirSync(folder.path)).toHaveLength(1);
    await app.kill('SIGKILL');
    await eventually('the server is gone', () => !isAlive(started.server), { timeoutMs: 5_000 });
    await eventually('its folder is gone', () => readdirSync(folder.path).length === 0, { timeoutMs: 5_000 });
  });

  it('can be cut, stalled, delayed and refused through a proxy', async () => {
    const server = await startRedis();
    const proxy = await startTcpProxy({ targetPort: server.port });
    const redis = new Redis(proxy.port, '127.0.0.1', { retryStrategy: () => 20, maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
    onTestFinished(async () => {
      redis.disconnect();
      await proxy.close();
      await server.close();
    });
    await redis.ping();
    expect(proxy.connections).toBe(1);

    proxy.cutAll();
    await redis.ping();
    expect(proxy.accepted).toBe(2);

    proxy.stall();
    let answered = false;
    const ping = redis.ping().then(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(answered).toBe(false);
    proxy.resume();
    await ping;

    proxy.delay(60);
    const before = performance.now();
    await redis.ping();
    expect(performance.now() - before).toBeGreaterThan(110);
    proxy.resume();

    proxy.refuse();
    await eventually('the client is away', () => redis.status === 'reconnecting');
    expect(proxy.connections).toBe(0);
    proxy.resume();
    await redis.ping();
  });
});

describeWith(['own-kafka'], 'servers of a test: Kafka', () => {
  it('is killed and started again with its data, and is reached through a proxy', async () => {
    const kafka = await startKafka({ proxied: true });
    onTestFinished(() => kafka.stop());
    const topic = freshName('orders');
    await kafka.withAdmin((admin) => createTopics(admin, { topic, numPartitions: 3 }));
    const [node] = kafka.nodes;
    expect(kafka.url).toBe(`kafka://127.0.0.1:${node?.proxy?.port}`);
    await node?.kill();
    await node?.start();
    expect(await kafka.withAdmin((admin) => admin.listTopics())).toContain(topic);
  });

  it('moves leaders among three nodes, and survives the loss of one', async () => {
    const kafka = await startKafka({ nodes: 3 });
    onTestFinished(() => kafka.stop());
    const topic = freshName('orders');
    await kafka.withAdmin((admin) => createTopics(admin, { topic, numPartitions: 6, replicationFactor: 3 }));
    const leaders = () =>
      kafka.withAdmin(async (admin) => {
        const partitions = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions ?? [];
        return partitions.toSorted((one, other) => one.partitionId - other.partitionId).map((each) => each.leader);
      });
    const before = await eventually('all leaders are known', async () => {
      const known = await leaders();
      return known.length === 6 && known.every((leader) => leader > 0) ? known : undefined;
    });
    await kafka.moveLeaders(topic);
    const after = await leaders();
    expect(after).toHaveLength(6);
    expect(after.every((leader, at) => leader !== before[at])).toBe(true);

    const [lost] = kafka.nodes;
    await lost?.kill();
    await eventually('its partitions have other leaders', async () => !(await leaders()).includes(lost?.id ?? -1), { timeoutMs: 20_000 });
  });
});
