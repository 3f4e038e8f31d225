import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { freePort } from './free-port';
import { run } from './kafka-jars';
import { guardComposeProject } from './process-guard';

const ROOT = resolve(__dirname, '../..');
// Images may have to be fetched first.
const UP_TIMEOUT_MS = 300_000;

export interface ComposeServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Why Docker Compose can start nothing here, or an empty string. */
export function composeMissing(): string {
  return spawnSync('docker', ['compose', 'ls'], { stdio: 'ignore', timeout: 10_000 }).status === 0 ? '' : 'no Docker engine with Compose';
}

/** Starts one service of docker-compose.yml, as a project of its own on a free port. */
export async function startComposeServer(service: 'kafka' | 'redis'): Promise<ComposeServer> {
  const project = `streamback-test-${randomBytes(4).toString('hex')}`;
  const port = await freePort();
  const release = guardComposeProject(project);
  const compose = ['-f', resolve(ROOT, 'docker-compose.yml'), '-p', project];
  const environment = [`${service.toUpperCase()}_PORT=${port}`];
  const stop = async (): Promise<void> => {
    await run('docker', ['compose', ...compose, 'down', '-v'], ROOT);
    release();
  };
  try {
    await run('env', [...environment, 'docker', 'compose', ...compose, 'up', '-d', '--wait', service], ROOT, UP_TIMEOUT_MS);
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  return { url: `${service}://127.0.0.1:${port}`, stop };
}
