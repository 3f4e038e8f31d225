import { processRole, type SupervisedServer } from '../common/process-role';
import type { Listener } from '../consumer/listener';
import type { StreambackConnection } from './connection';

/** What this process listens to of a server's listeners: all, or, where `runWorkers` shares them out, its part. */
export function assignedListeners(connection: StreambackConnection, listeners: readonly Listener[]): readonly Listener[] {
  const { main, logger, options } = connection;
  const role = processRole();
  switch (role.kind) {
    case 'worker': {
      const own = role.assignment.listeners.filter(([name]) => name === options.connection).map(([, pattern]) => pattern);
      return listeners.filter(({ pattern }) => own.includes(pattern));
    }
    case 'supervisor':
      if (main.capabilities.durable) {
        role.supervisor.supervise(supervised(connection, listeners));
        return [];
      }
      logger.warn('Workers share no memory streams: this process listens to everything itself');
      return listeners;
    case 'alone': {
      const scaled = listeners.find(({ options: { processes } }) => processes !== undefined);
      if (scaled) logger.warn(`'processes' of '${scaled.pattern}' has no effect: start the app by runWorkers(bootstrap) in main.ts`);
      return listeners;
    }
  }
}

/** Ends the workers that run listeners for this process, if any. */
export async function endWorkers(): Promise<void> {
  const role = processRole();
  if (role.kind === 'supervisor') await role.supervisor.end();
}

function supervised({ main, options }: StreambackConnection, listeners: readonly Listener[]): SupervisedServer {
  const { connection, drainTimeoutMs, group } = options;
  return {
    connection,
    drainTimeoutMs,
    listeners: listeners.map(({ pattern, topic, options: { processes } }) => ({ pattern, topic, processes })),
    prepare: async (topics) => main.prepare?.(topics),
    tellsLag: main.lag !== undefined,
    lag: async (topics) => sum(await main.lag?.(group, topics)),
    partitions: async (topics) => (main.partitions ? sum(await main.partitions(topics)) : Infinity),
  };
}

const sum = (counts: ReadonlyMap<string, number> | undefined): number =>
  [...(counts?.values() ?? [])].reduce((total, count) => total + count, 0);
