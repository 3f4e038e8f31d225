import type { Kafka } from 'kafkajs';

/** How kafkajs calls what makes the connections of each producer, consumer and admin client. */
const CREATE_CLUSTER = 'private:Kafka:createCluster';

/**
 * The same kafkajs, with `prepare` called for the connections of each client that it makes from now on; nobody else's are touched. One
 * that is made otherwise inside is returned as it is.
 * @param prepare told of a cluster, of which it must not take for granted more than that it is an object
 */
export function preparingClusters<Cluster extends object>(kafka: Kafka, prepare: (cluster: Cluster) => void): Kafka {
  const symbol = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === CREATE_CLUSTER);
  const create = symbol && (kafka as unknown as Record<symbol, unknown>)[symbol];
  if (typeof create !== 'function') return kafka;
  const createCluster = (...args: unknown[]): Cluster => {
    const cluster = create(...args) as Cluster;
    prepare(cluster);
    return cluster;
  };
  return Object.create(kafka, { [symbol!]: { value: createCluster } }) as Kafka;
}
