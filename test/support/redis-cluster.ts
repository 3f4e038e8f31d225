import { Redis } from 'ioredis';
import { eventually } from './eventually';
import { freePort } from './free-port';
import { startRedis, type RedisServer } from './redis';

const SLOTS = 16_384;

export interface RedisCluster {
  /** `redis+cluster://…` of all masters. */
  readonly url: string;
  readonly masters: readonly RedisServer[];
  /** The replica of the first master. */
  readonly replica: RedisServer | undefined;
  /** Runs a command on each node. */
  onEach<T>(command: (node: Redis) => Promise<T>): Promise<T[]>;
  close(): Promise<void>;
}

export interface RedisClusterOptions {
  /** @default 3 */
  readonly masters?: number;
  /** Gives the first master a replica, which takes over when the master is gone. @default false */
  readonly replica?: boolean;
  /** Whether all nodes refuse to serve while one is gone. @default true */
  readonly requireFullCoverage?: boolean;
}

/** Starts a cluster of `redis-server` nodes of the test's own, the slots shared out among the masters. */
export async function startRedisCluster({
  masters: count = 3,
  replica: withReplica = false,
  requireFullCoverage = true,
}: RedisClusterOptions = {}): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  const clients: Redis[] = [];
  const buses: number[] = [];
  const close = async (): Promise<void> => {
    for (const client of clients) client.disconnect();
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    for (let index = 0; index < count + (withReplica ? 1 : 0); index += 1) {
      const bus = await freePort();
      buses.push(bus);
      const server = await startRedis({
        args: [
          '--cluster-port',
          String(bus),
          '--cluster-enabled',
          'yes',
          '--cluster-require-full-coverage',
          requireFullCoverage ? 'yes' : 'no',
          '--cluster-node-timeout',
          '1500',
          '--repl-diskless-sync-delay',
          '0',
        ],
      });
      servers.push(server);
      clients.push(new Redis({ host: '127.0.0.1', port: server.port }).on('error', () => {}));
    }
    const masters = servers.slice(0, count);
    const per = Math.ceil(SLOTS / count);
    for (const [index, client] of clients.slice(0, count).entries()) {
      await client.cluster('ADDSLOTSRANGE', index * per, Math.min(SLOTS, (index + 1) * per) - 1);
    }
    for (const [index, client] of clients.entries()) {
      // Distinct, or two new masters would settle whose is the greater at the cost of a failover's time.
      await client.call('cluster', 'SET-CONFIG-EPOCH', index + 1);
      if (index > 0) await client.call('cluster', 'MEET', '127.0.0.1', servers[0]!.port, buses[0]!);
    }
    const everywhere = (line: string) => async () =>
      (await Promise.all(clients.map((client) => client.cluster('INFO')))).every((info) => info.includes(line));
    await eventually('all nodes know each other', everywhere(`cluster_known_nodes:${servers.length}`), { timeoutMs: 20_000 });
    if (withReplica) {
      const master = String(await clients[0]!.cluster('MYID'));
      const replica = clients[count]!;
      await eventually('the replica follows', () => replica.cluster('REPLICATE', master).then(Boolean));
      await eventually('the replica is in step', async () => (await replica.info('replication')).includes('master_link_status:up'));
    }
    await eventually('the cluster serves', everywhere('cluster_state:ok'), { timeoutMs: 20_000 });
    return {
      url: `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
      masters,
      replica: servers[count],
      onEach: (command) => Promise.all(clients.map(command)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
