import type { Kafka } from 'kafkajs';

/** kafkajs' requests of one connection: `pending` are those that must wait for others, or because the broker throttles. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

interface Pool {
  readonly pool?: readonly { readonly requestQueue?: RequestQueue }[];
}

/** What this needs of kafkajs' cluster beyond its types. */
interface Cluster {
  readonly connectionPoolBuilder?: { build(...address: unknown[]): Promise<Pool> };
}

const CREATE_CLUSTER = 'private:Kafka:createCluster';

/**
 * From its first answer on, each of kafkajs' connections looks every millisecond whether a request waits, for as long as it lives:
 * a thousand wakeups a second in a process that does nothing. Those of this client look only where one does. A kafkajs that looks
 * different is left as it is.
 */
export function restWhenIdle(kafka: Kafka): Kafka {
  const name = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === CREATE_CLUSTER);
  if (!name) return kafka;
  const client = kafka as unknown as Record<symbol, (...args: unknown[]) => Cluster>;
  const create = client[name]!;
  client[name] = (...args) => {
    const cluster = create.apply(kafka, args);
    const builder = cluster.connectionPoolBuilder;
    if (builder) {
      const build = builder.build.bind(builder);
      builder.build = async (...address) => rested(await build(...address));
    }
    return cluster;
  };
  return kafka;
}

function rested(pool: Pool): Pool {
  for (const { requestQueue: queue } of pool.pool ?? []) {
    if (!queue) continue;
    const schedule = queue.scheduleCheckPendingRequests.bind(queue);
    queue.scheduleCheckPendingRequests = () => {
      // What must wait is among the pending ones before this is called.
      if (queue.pending.length > 0) schedule();
    };
  }
  return pool;
}
