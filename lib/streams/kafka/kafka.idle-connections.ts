import type { Kafka } from 'kafkajs';
import { preparePools, preparingClusters } from './kafka.clusters';

/** kafkajs' requests of one connection: `pending` are those that must wait for others, or because the broker throttles. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

interface Pool {
  readonly pool?: readonly { readonly requestQueue?: RequestQueue }[];
}

/**
 * From its first answer on, each of kafkajs' connections looks every millisecond whether a request waits, for as long as it lives:
 * a thousand wakeups a second in a process that does nothing. Those of this client look only where one does. A kafkajs that looks
 * different is left as it is.
 */
export function restWhenIdle(kafka: Kafka): Kafka {
  return preparingClusters(kafka, (cluster) => preparePools<Pool>(cluster, rest));
}

function rest({ pool }: Pool): void {
  for (const { requestQueue: queue } of pool ?? []) {
    if (typeof queue?.scheduleCheckPendingRequests !== 'function') continue;
    const schedule = queue.scheduleCheckPendingRequests.bind(queue);
    queue.scheduleCheckPendingRequests = () => {
      // What must wait is among the pending ones before this is called.
      if (queue.pending.length > 0) schedule();
    };
  }
}
