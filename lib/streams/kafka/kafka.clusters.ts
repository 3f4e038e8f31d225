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

/** What this needs of kafkajs' cluster beyond its types. */
interface PoolingCluster<Pool> {
  readonly connectionPoolBuilder?: { build(...address: unknown[]): Promise<Pool> };
}

/**
 * The same as {@link preparingClusters} for kafkajs' connections to one broker, which are not open yet then.
 * @param prepare told of the connections, of which it must not take for granted more than that they are an object
 */
export function preparePools<Pool extends object>(cluster: object, prepare: (pool: Pool) => void): void {
  const { connectionPoolBuilder: builder } = cluster as PoolingCluster<Pool>;
  if (!builder) return;
  const build = builder.build.bind(builder);
  builder.build = async (...address) => {
    const pool = await build(...address);
    prepare(pool);
    return pool;
  };
}
