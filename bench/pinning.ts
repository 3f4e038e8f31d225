import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** The core of Kafka, Redis, NATS and the driver, which is idle while they work. */
const SERVERS_CORE = '0';
/** The core of a peer's client and server: a rate is then what one core makes of both. */
const PEER_CORE = '1';

/** What starts a peer's process on its core. */
export interface Pinning {
  /** Goes before the command; empty where nothing is pinned. */
  readonly prefix: readonly string[];
  /** Why nothing is pinned, or an empty string. */
  readonly reason: string;
}

const unpinned = (reason: string): Pinning => ({ prefix: [], reason });

/** Puts this process on its core, and with it every server that it starts from now on; peers are started on the other one. */
export function pin(wanted: boolean): Pinning {
  if (!wanted) return unpinned('not asked for');
  if (availableParallelism() < 2) return unpinned('one core alone');
  const { status, error, stderr } = spawnSync('taskset', ['-acp', SERVERS_CORE, String(process.pid)], { encoding: 'utf8' });
  if (status !== 0) return unpinned(error ? 'no taskset on the PATH' : stderr.trim());
  return { prefix: ['taskset', '-c', PEER_CORE], reason: '' };
}
