import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CACHE, run } from './kafka-jars';

const STREAMBACK_VERSION = '0.5.1';
const FOLDER = join(CACHE, `python-streamback-${STREAMBACK_VERSION}`);
const OLDEST = [3, 8] as const;

/** What this finds, or the reason why there is none. */
export interface FoundPython {
  /** The interpreter that has Python streamback; empty where there is none. */
  readonly path: string;
  readonly skip: string;
}

/** An interpreter that has Python streamback, in a virtual environment that pip fills once. Never rejects. */
export async function findPython(): Promise<FoundPython> {
  const path = join(FOLDER, 'bin', 'python');
  if (existsSync(path)) return { path, skip: '' };
  const missing = pythonMissing();
  if (missing) return { path: '', skip: missing };
  try {
    await install();
    return { path, skip: '' };
  } catch (error) {
    return { path: '', skip: error instanceof Error ? error.message.split('\n').at(-1)! : String(error) };
  }
}

function pythonMissing(): string {
  const python = spawnSync('python3', ['-c', 'import sys, venv, ensurepip; print(*sys.version_info[:2])'], { encoding: 'utf8' });
  if (python.error) return 'no python3 on the PATH';
  if (python.status !== 0) return 'python3 has no venv (Debian: python3-venv)';
  const [major = 0, minor = 0] = python.stdout.trim().split(' ').map(Number);
  return major === OLDEST[0] && minor >= OLDEST[1] ? '' : `Python ${OLDEST.join('.')} is needed, and ${major}.${minor} is on the PATH`;
}

async function install(): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'download-'));
  try {
    await run('python3', ['-m', 'venv', 'venv'], folder);
    const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--retries', '1', `streamback==${STREAMBACK_VERSION}`];
    await run(join(folder, 'venv', 'bin', 'python'), pip, folder);
    // Renamed into place when complete: another run, or a cut download, never sees half a folder.
    await rename(join(folder, 'venv'), FOLDER).catch((error: unknown) => {
      if (!existsSync(FOLDER)) throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
