import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { freePort } from '../test/support/free-port';
import { temporaryFolder } from '../test/support/process-guard';
import { serverProcess, startIn } from '../test/support/server-process';

export interface NatsServer {
  readonly url: string;
  readonly pid: number;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;

/** Why no NATS can be started here, or an empty string. */
export function natsMissing(): string {
  return spawnSync('nats-server', ['--version'], { stdio: 'ignore' }).status === 0 ? '' : 'no nats-server on the PATH';
}

/** Starts a `nats-server` on a free port of 127.0.0.1. */
export async function startNats(): Promise<NatsServer> {
  const folder = temporaryFolder('nats');
  const port = await freePort();
  const server = serverProcess({
    name: `nats-server on port ${port}`,
    command: 'nats-server',
    args: ['--addr', '127.0.0.1', '--port', String(port)],
    cwd: folder.path,
    ready: () => greeted(port),
    startTimeoutMs: START_TIMEOUT_MS,
  });
  await startIn(folder, server);
  const close = async (): Promise<void> => {
    await server.kill();
    folder.remove();
  };
  return { url: `nats://127.0.0.1:${port}`, pid: server.pid, close };
}

/** It speaks first. */
function greeted(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
  });
}
