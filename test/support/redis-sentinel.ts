import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually';
import { freePort } from './free-port';
import { temporaryFolder } from './process-guard';
import { ping, startRedis, type RedisServer } from './redis';
import { serverProcess, startIn } from './server-process';

const MASTER = 'streamback';
const DOWN_AFTER_MS = 500;

export interface RedisSentinel {
  /** `redis+sentinel://…/streamback` of all sentinels. */
  readonly url: string;
  readonly sentinels: readonly number[];
  readonly master: RedisServer;
  /** In step with the master, and next in its place. */
  readonly replica: RedisServer;
  close(): Promise<void>;
}

/** Starts a master, a replica and three sentinels of the test's own, which take a silent master for dead soon. */
export async function startRedisSentinel(): Promise<RedisSentinel> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  const start = async (args: readonly string[]): Promise<RedisServer> => {
    const server = await startRedis({ args: ['--repl-diskless-sync-delay', '0', ...args] });
    closers.push(() => server.close());
    return server;
  };
  const clientOf = (port: number): Redis => {
    const client = new Redis({ host: '127.0.0.1', port }).on('error', () => {});
    closers.push(async () => client.disconnect());
    return client;
  };
  try {
    const master = await start([]);
    const replica = await start(['--replicaof', '127.0.0.1', String(master.port)]);
    const onReplica = clientOf(replica.port);
    await eventually('the replica is in step', async () => (await onReplica.info('replication')).includes('master_link_status:up'));
    const ports: number[] = [];
    for (let index = 0; index < 3; index += 1) {
      const { port, close: closeOne } = await startSentinel(master.port);
      ports.push(port);
      closers.push(closeOne);
    }
    for (const port of ports) {
      const sentinel = clientOf(port);
      await eventually(
        'the sentinel knows the others and the replica',
        async () => {
          const facts = (await sentinel.call('sentinel', 'master', MASTER)) as string[] | Record<string, string>;
          const flat = Array.isArray(facts) ? facts.map(String) : Object.entries(facts).flat().map(String);
          const fact = (name: string): string | undefined => flat[flat.indexOf(name) + 1];
          return fact('num-other-sentinels') === '2' && fact('num-slaves') === '1';
        },
        { timeoutMs: 20_000 },
      );
    }
    return {
      url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/${MASTER}`,
      sentinels: ports,
      master,
      replica,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startSentinel(masterPort: number): Promise<{ readonly port: number; close(): Promise<void> }> {
  const folder = temporaryFolder('sentinel');
  const port = await freePort();
  const file = join(folder.path, 'sentinel.conf');
  // A sentinel keeps what it knows in its own file.
  writeFileSync(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder.path}`,
      `sentinel monitor ${MASTER} 127.0.0.1 ${masterPort} 2`,
      `sentinel down-after-milliseconds ${MASTER} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${MASTER} 3000`,
      '',
    ].join('\n'),
  );
  const server = serverProcess({
    name: `redis-sentinel on port ${port}`,
    command: 'redis-server',
    args: [file, '--sentinel'],
    cwd: folder.path,
    ready: () => ping(port),
    startTimeoutMs: 10_000,
  });
  await startIn(folder, server);
  const close = async (): Promise<void> => {
    await server.kill();
    folder.remove();
  };
  return { port, close };
}
