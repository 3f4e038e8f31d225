import type { SupervisedServer } from '../common/process-role';
import type { Listener } from '../consumer/listener';
import type { StreambackConnection } from './connection';

/** What a supervisor needs to know of a server whose listeners run in workers. */
export function supervisedServer({ main, options }: StreambackConnection, listeners: readonly Listener[]): SupervisedServer {
  const { connection, drainTimeoutMs, group } = options;
  return {
    connection,
    drainTimeoutMs,
    listeners: listeners.map(({ pattern, topic, options: { processes } }) => ({ pattern, topic, processes })),
    lag: async (topics) => sum(await main.lag?.(group, topics)),
    partitions: async (topics) => (main.partitions ? sum(await main.partitions(topics)) : Infinity),
  };
}

const sum = (counts: ReadonlyMap<string, number> | undefined): number =>
  [...(counts?.values() ?? [])].reduce((total, count) => total + count, 0);
