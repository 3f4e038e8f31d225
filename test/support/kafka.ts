import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { eventually } from './eventually';
import { freePort } from './free-port';
import { kafkaClassPath, run } from './kafka-jars';
import { temporaryFolder } from './process-guard';
import { serverProcess, type ServerProcess } from './server-process';
import { startTcpProxy, type TcpProxy } from './tcp-proxy';

export interface KafkaNode extends ServerProcess {
  readonly id: number;
  /** `127.0.0.1:port`, as clients are told. */
  readonly broker: string;
  /** What clients pass through on their way to this node, where `proxied` was asked for. */
  readonly proxy: TcpProxy | undefined;
}

export interface KafkaServer {
  /** `kafka://127.0.0.1:p1,…` */
  readonly url: string;
  readonly brokers: readonly string[];
  /** The same nodes on the listener that they use among themselves: no proxy, no TLS, no SASL. */
  readonly internalBrokers: readonly string[];
  readonly nodes: readonly KafkaNode[];
  /** Runs `work` with an admin client on the internal listener. */
  withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T>;
  /** Makes another node the leader of every partition of `topic` (several nodes only), and resolves when all have moved. */
  moveLeaders(topic: string): Promise<void>;
  /** Kills all nodes for good and removes their data. */
  stop(): Promise<void>;
}

export interface KafkaServerOptions {
  /** Each is broker and controller at once. @default 1 */
  readonly nodes?: number;
  /**
   * Further server properties. Clients use the listener `CLIENT`, so that
   * `'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT'` changes theirs alone.
   */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** Puts a TCP proxy before each node: every client connection goes through it. @default false */
  readonly proxied?: boolean;
}

interface NodePorts {
  readonly id: number;
  readonly client: number;
  readonly internal: number;
  readonly controller: number;
}

const START_TIMEOUT_MS = 60_000;

/** Starts a Kafka of the test's own (KRaft) on 127.0.0.1, in a temporary folder; Maven fetches its jars the first time. */
export async function startKafka({ nodes: count = 1, config = {}, proxied = false }: KafkaServerOptions = {}): Promise<KafkaServer> {
  const classPath = await kafkaClassPath();
  const folder = temporaryFolder('kafka');
  const proxies: TcpProxy[] = [];
  const nodes: KafkaNode[] = [];
  try {
    const ports: NodePorts[] = [];
    for (let id = 1; id <= count; id += 1) {
      ports.push({ id, client: await freePort(), internal: await freePort(), controller: await freePort() });
    }
    const internalBrokers = ports.map((each) => `127.0.0.1:${each.internal}`);
    const clusterId = randomUUID();
    const prepared = ports.map(async (own) => {
      const proxy = proxied ? await startTcpProxy({ targetPort: own.client }) : undefined;
      if (proxy) proxies.push(proxy);
      const advertised = proxy?.port ?? own.client;
      const nodeFolder = join(folder.path, String(own.id));
      const properties = join(nodeFolder, 'server.properties');
      await mkdir(nodeFolder);
      await writeFile(properties, format({ ...settings(own, ports, advertised, nodeFolder), ...config }));
      const java = ['-cp', classPath, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
      await run(
        'java',
        [...java, 'kafka.tools.StorageTool', 'format', `--cluster-id=${clusterId}`, '-c', properties],
        nodeFolder,
        START_TIMEOUT_MS,
      );
      const server = serverProcess({
        name: `Kafka node ${own.id} on port ${own.client}`,
        command: 'java',
        args: ['-cp', classPath, count > 1 ? '-Xmx384m' : '-Xmx512m', '-XX:+UseSerialGC', 'kafka.Kafka', properties],
        cwd: nodeFolder,
        ready: () => isServing(`127.0.0.1:${own.internal}`, own.id),
        startTimeoutMs: START_TIMEOUT_MS,
      });
      return Object.assign(server, { id: own.id, broker: `127.0.0.1:${advertised}`, proxy });
    });
    nodes.push(...(await Promise.all(prepared)));
    const started = await Promise.allSettled(nodes.map((node) => node.start()));
    for (const each of started) if (each.status === 'rejected') throw each.reason;

    const brokers = nodes.map((node) => node.broker);
    const withAdmin: KafkaServer['withAdmin'] = (work) => useAdmin(internalBrokers, work);
    await eventually('every Kafka node is known', () =>
      withAdmin(async (admin) => (await admin.describeCluster()).brokers.length === count),
    );
    return {
      url: `kafka://${brokers.join(',')}`,
      brokers,
      internalBrokers,
      nodes,
      withAdmin,
      moveLeaders: (topic) => withAdmin((admin) => moveLeaders(admin, topic)),
      stop: close,
    };
  } catch (error) {
    await close();
    throw error;
  }

  async function close(): Promise<void> {
    await Promise.all([...nodes.map((node) => node.kill()), ...proxies.map((proxy) => proxy.close())]);
    folder.remove();
  }
}

function settings(
  own: NodePorts,
  all: readonly NodePorts[],
  advertised: number,
  folder: string,
): Record<string, string | number | boolean> {
  const copies = Math.min(all.length, 3);
  const inSync = Math.max(1, copies - 1);
  return {
    'process.roles': 'broker,controller',
    'node.id': own.id,
    'controller.quorum.voters': all.map((node) => `${node.id}@127.0.0.1:${node.controller}`).join(','),
    listeners: `CLIENT://127.0.0.1:${own.client},INTERNAL://127.0.0.1:${own.internal},CONTROLLER://127.0.0.1:${own.controller}`,
    'advertised.listeners': `CLIENT://127.0.0.1:${advertised},INTERNAL://127.0.0.1:${own.internal}`,
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'INTERNAL',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(folder, 'data'),
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': inSync,
    'group.initial.rebalance.delay.ms': 0,
    // A test may ask for a short session, so as to see a death soon.
    'group.min.session.timeout.ms': 500,
    // Topics are created on purpose or not at all: a broker that makes them by itself hides a missing one.
    'auto.create.topics.enable': false,
    // Its buffer alone is 128 MB, and no test lives long enough to compact anything.
    'log.cleaner.enable': false,
    // A killed node's partitions get another leader after 3 s instead of 9 s.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    // `moveLeaders` changes the preferred leader, and the controller follows within a second.
    'leader.imbalance.check.interval.seconds': 1,
    'leader.imbalance.per.broker.percentage': 0,
  };
}

function format(properties: Record<string, string | number | boolean>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

async function isServing(broker: string, id: number): Promise<void> {
  await useAdmin([broker], async (admin) => {
    const { brokers } = await admin.describeCluster();
    if (!brokers.some((each) => each.nodeId === id)) throw new Error(`node ${id} has not joined yet`);
  });
}

async function useAdmin<T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const kafka = new Kafka({
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2_000,
    retry: { retries: 2, initialRetryTime: 50 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

async function moveLeaders(admin: Admin, topic: string): Promise<void> {
  const partitionsOf = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions ?? [];
  const before = await partitionsOf();
  const wanted = new Map<number, number>();
  const partitionAssignment = before.map(({ partitionId, leader, replicas }) => {
    const at = replicas.indexOf(leader);
    const rotated = [...replicas.slice(at + 1), ...replicas.slice(0, at + 1)];
    wanted.set(partitionId, rotated[0] as number);
    return { partition: partitionId, replicas: rotated };
  });
  await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
  await eventually(
    `leaders of ${topic} moved`,
    async () => (await partitionsOf()).every(({ partitionId, leader }) => wanted.get(partitionId) === leader),
    { timeoutMs: 30_000, intervalMs: 100 },
  );
}
