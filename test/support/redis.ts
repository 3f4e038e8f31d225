import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { freePort } from './free-port';
import { temporaryFolder } from './process-guard';
import { serverProcess, startIn, type ServerProcess } from './server-process';

export interface RedisServer extends ServerProcess {
  readonly url: string;
  readonly port: number;
  /** Its URL where it is reached on another port: through a proxy. */
  urlOn(port: number): string;
  /** Stops and starts it: what was not persisted (nothing is, unless `args` say so) is lost. */
  restart(): Promise<void>;
  /** Kills the server for good and removes its folder. */
  close(): Promise<void>;
}

export interface RedisServerOptions {
  /** Further arguments, such as `['--appendonly', 'yes', '--appendfsync', 'always']`; the last of two wins. */
  readonly args?: readonly string[];
  /** @default a free one */
  readonly port?: number;
  /** What clients must give; in `url` as well. @default none */
  readonly password?: string;
}

/** Why no Redis can be started here, or an empty string. */
export function redisMissing(): string {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0 ? '' : 'no redis-server on the PATH';
}

/** Starts a `redis-server` of the test's own on 127.0.0.1, in a temporary folder. */
export async function startRedis({ args = [], port, password }: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = temporaryFolder('redis');
  const ownPort = port ?? (await freePort());
  const login = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  const urlOn = (onPort: number): string => `redis://${login}127.0.0.1:${onPort}`;
  const guarded = password === undefined ? [] : ['--requirepass', password];
  const server = serverProcess({
    name: `redis-server on port ${ownPort}`,
    command: 'redis-server',
    args: ['--port', String(ownPort), '--bind', '127.0.0.1', '--dir', folder.path, '--save', '', '--appendonly', 'no', ...guarded, ...args],
    cwd: folder.path,
    ready: () => ping(ownPort),
    startTimeoutMs: 10_000,
  });
  await startIn(folder, server);
  return {
    url: urlOn(ownPort),
    port: ownPort,
    urlOn,
    get pid() {
      return server.pid;
    },
    get running() {
      return server.running;
    },
    start: () => server.start(),
    stop: () => server.stop(),
    kill: (signal) => server.kill(signal),
    async restart() {
      await server.stop();
      await server.start();
    },
    async close() {
      await server.kill();
      folder.remove();
    },
  };
}

/** A server that wants a password refuses the PING, and serves all the same. */
export function ping(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer to PING')));
    socket.once('error', reject);
    socket.once('data', (answer) => {
      socket.destroy();
      const text = answer.toString();
      if (text.startsWith('+PONG') || text.startsWith('-NOAUTH')) resolve();
      else reject(new Error(text.trim()));
    });
  });
}
