import type { ConnectionPool } from './kafka.join-connection';
import type { Fetch } from './kafka.refusals';

interface JoinRequest {
  readonly memberId: string;
}

/** What membership needs of kafkajs' broker beyond its types. */
export interface GroupBroker {
  readonly nodeId: number | string;
  readonly connectionPool: ConnectionPool;
  isConnected(): boolean;
  joinGroup(request: JoinRequest): Promise<{ generationId: number; memberId: string }>;
  leaveGroup(request: unknown): Promise<unknown>;
  heartbeat(request: unknown): Promise<unknown>;
  fetch: Fetch;
  findGroupCoordinator(query: { groupId: string; coordinatorType: number }): Promise<unknown>;
  metadata(topics: string[]): Promise<{ topicMetadata: { topic: string; partitionMetadata: { partitionId: number }[] }[] }>;
  offsetCommit(request: unknown): Promise<unknown>;
  offsetFetch(request: unknown): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
}

/** What membership needs of kafkajs' cluster. */
export interface GroupCluster {
  findGroupCoordinator(query: { groupId: string }): Promise<GroupBroker>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findBroker(node: { nodeId: number | string }): Promise<GroupBroker>;
  getNodeIds(): string[];
  findTopicPartitionMetadata(topic: string): { partitionId: number }[];
  fetchTopicsOffset(topics: unknown[]): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
  disconnect(): Promise<void>;
}
