import type { ConsumerConfig, KafkaConfig, ProducerConfig, ProducerBatch } from 'kafkajs';
import type { KafkaPartitioner } from './kafka.partitioner';

/** How a Kafka stream is used; named as Nest's `KafkaOptions` where it has a name. */
export interface StreambackKafkaOptions {
  /** kafkajs' own client options, over what the URL says. @default {} */
  readonly client?: Partial<KafkaConfig> | undefined;
  /** kafkajs' own consumer options. @default { maxWaitTimeInMs: 200 } */
  readonly consumer?: Partial<Omit<ConsumerConfig, 'groupId' | 'partitionAssigners' | 'allowAutoTopicCreation'>> | undefined;
  /** The rest the producer decides itself. @default kafkajs' */
  readonly producer?: Pick<ProducerConfig, 'metadataMaxAge'> | undefined;
  /** How each produce request is sent. @default kafkajs': acks -1, timeout 30_000 ms, no compression */
  readonly send?: Pick<ProducerBatch, 'acks' | 'timeout' | 'compression'> | undefined;
  /** Create missing topics, dead letters' too. @default true */
  readonly createTopics?: boolean | undefined;
  /** Partitions of a created topic. @default the broker's `num.partitions` */
  readonly partitions?: number | undefined;
  /** Replicas of a created topic. @default the broker's `default.replication.factor` */
  readonly replicationFactor?: number | undefined;
  /** Where a group without a commit starts: at the earliest message, or at what comes from now on. @default true */
  readonly fromBeginning?: boolean | undefined;
  /** Time between commits, in ms; they are made beside the consume loop. @default 1_000 */
  readonly commitIntervalMs?: number | undefined;
  /** Messages of a partition handled ahead of its commit; the partition pauses beyond. A kill can repeat these. @default 10_000 */
  readonly maxUncommitted?: number | undefined;
  /** Allow SASL PLAIN without TLS, which shows the password to the network. @default false */
  readonly allowPlaintextSasl?: boolean | undefined;
  /** How keys are put on partitions: `'murmur2'` as Java and kafkajs, `'crc32'` as Python streamback. @default 'murmur2' */
  readonly partitioner?: KafkaPartitioner | undefined;
}
