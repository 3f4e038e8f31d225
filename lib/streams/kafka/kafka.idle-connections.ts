import type { Kafka } from 'kafkajs';
import { preparingClusters } from './kafka.clusters';

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

/**
 * From its first answer on, each of kafkajs' connections looks every millisecond whether a request waits, for as long as it lives:
 * a thousand wakeups a second in a process that does nothing. Those of this client look only where one does. A kafkajs that looks
 * different is left as it is.
 */
export function restWhenIdle(kafka: Kafka): Kafka {
  return preparingClusters<Cluster>(kafka, ({ connectionPoolBuilder: builder }) => {
    if (!builder) return;
    const build = builder.build.bind(builder);
    builder.build = async (...address) => rested(await build(...address));
  });
}

function rested(pool: Pool): Pool {
  for (const { requestQueue: queue } of pool.pool ?? []) {
    if (typeof queue?.scheduleCheckPendingRequests !== 'function') continue;
    const schedule = queue.scheduleCheckPendingRequests.bind(queue);
    queue.scheduleCheckPendingRequests = () => {
      // What must wait is among the pending ones before this is called.
      if (queue.pending.length > 0) schedule();
    };
  }
  return pool;
}
