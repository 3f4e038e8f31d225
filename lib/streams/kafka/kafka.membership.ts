import type { PartitionAssigner } from 'kafkajs';
import { StreambackConnectionError } from '../../common/errors';
import { limited, within } from '../../common/waiting';
import { COOPERATIVE_PROTOCOL, createAssigner, EAGER_PROTOCOL } from './kafka.assigner';
import { classifyFailure, rootCause } from './kafka.errors';
import { readFetches } from './kafka.fetch-decoding';
import type { GroupBroker, GroupCluster } from './kafka.group-cluster';
import { JoinConnection } from './kafka.join-connection';
import type { PartitionsByTopic } from './kafka.member-metadata';
import type { Fetch, FetchRequest } from './kafka.refusals';

/** A topic that is not there, or not for us, has no partitions to assign. */
const ABSENT = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'TOPIC_AUTHORIZATION_FAILED']);

/** Whatever we ask the coordinator or a leader for, in ms: beyond kafkajs' own limit for a request. */
const ANSWER_TIMEOUT_MS = 35_000;

export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface MembershipHooks {
  /** Awaited before each join, however it came about. */
  readonly beforeJoin: () => Promise<void>;
  /** What is held, and where work is in flight, for the leader. */
  readonly claims: () => { owned: PartitionsByTopic; busy: PartitionsByTopic };
  /** Awaited before each fetch: lets a paused consumer wait for room rather than for the clock. */
  readonly beforeFetch: () => Promise<void>;
  /** Sends a fetch, by `send`. */
  readonly fetch: (send: Fetch, request: FetchRequest) => ReturnType<Fetch>;
}

/**
 * Our place in the consumer group, over all kafkajs consumers that are built for it in turn. kafkajs has no hook before a
 * rebalance, gives no generation, and commits with whatever generation it is in. So the assigner, which is given the cluster,
 * wraps the few calls that matter: those that find the coordinator (each join starts so, and is awaited), join, leave, send a heartbeat,
 * and look at the metadata (each fetch starts so). The connection is the consumer's own: nothing else sees the wrapped calls.
 */
export class GroupMembership {
  /** The last generation that was joined; -1: none. */
  generation = -1;
  /** The greatest generation yet: the broker begins at 1 again when it has forgotten a group. */
  rank = -1;
  /** A round was missed since {@link confirm}: others may have had, handled and committed what was held. */
  missedRound = false;
  /** When the broker last confirmed it; `performance.now()`. */
  confirmedAt = 0;
  /** Leaving for good: until then, a crash of kafkajs must not give up the membership. */
  leaving = false;
  private memberId = '';
  private cluster: GroupCluster | undefined;
  private coordinator: GroupBroker | undefined;
  private findCoordinator: (() => Promise<GroupBroker>) | undefined;
  private rejoinWanted = false;
  private readonly wrapped = new WeakSet<GroupBroker>();
  private readonly joins = new JoinConnection({
    beforeJoin: () => {
      if (this.leaving) throw leavingError();
    },
    onNamed: (memberId) => (this.memberId = memberId),
  });

  constructor(
    private readonly group: string,
    private readonly hooks: MembershipHooks,
  ) {}

  /** For kafkajs' `partitionAssigners`, in the order of preference. */
  assigners(): PartitionAssigner[] {
    return ([COOPERATIVE_PROTOCOL, EAGER_PROTOCOL] as const).map((name): PartitionAssigner => ({ cluster }) => {
      this.attach(cluster as unknown as GroupCluster);
      return createAssigner({
        name,
        claim: () => ({ generation: this.generation, ...this.hooks.claims() }),
        partitionsOf: (topic) => this.partitionsOf(topic),
      });
    });
  }

  /** The brokers that kafkajs fetches from. */
  nodes(): readonly string[] {
    return this.cluster?.getNodeIds() ?? [];
  }

  /** Has kafkajs join again before its next fetch: a partition that was asked back is free now. */
  requestRejoin(): void {
    this.rejoinWanted = true;
  }

  /** Keeps the membership while a join is held back. */
  async heartbeat(): Promise<void> {
    if (this.memberId === '') return;
    const broker = await this.broker();
    await broker.heartbeat({ groupId: this.group, memberId: this.memberId, groupGenerationId: this.generation });
  }

  /**
   * Commits in the generation it is called in. kafkajs would take the newest one when it tries again, and the broker would accept
   * an offset of a partition that has since gone to another member.
   */
  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    const request = { groupId: this.group, memberId: this.memberId, groupGenerationId: this.generation, topics: byTopic(offsets) };
    try {
      await this.answered(async () => (await this.broker()).offsetCommit(request));
    } catch (error) {
      if (rootCause(error).type === 'NOT_COORDINATOR_FOR_GROUP') this.coordinator = undefined;
      throw error;
    }
  }

  /** The committed offsets of partitions; -1 where there is none. */
  async committed(partitions: readonly { topic: string; partition: number }[]): Promise<PartitionOffset[]> {
    const request = { groupId: this.group, topics: byTopic(partitions) };
    const { responses } = await this.answered(async () => (await this.broker()).offsetFetch(request));
    return flatten(responses);
  }

  /** The first or the next offset of partitions. */
  async edges(partitions: readonly { topic: string; partition: number }[], fromBeginning: boolean): Promise<PartitionOffset[]> {
    const cluster = this.cluster;
    if (!cluster) throw notJoined();
    const topics = byTopic(partitions).map((topic) => ({ ...topic, fromBeginning }));
    return flatten(await this.answered(() => cluster.fetchTopicsOffset(topics)));
  }

  /** Has the next look at leaders be a fresh one. Never rejects. */
  async refresh(): Promise<void> {
    this.coordinator = undefined;
    await within(this.cluster?.refreshMetadata(), ANSWER_TIMEOUT_MS);
  }

  /** Leaves the group where a join waits for others: kafkajs would leave after it. Takes at most twice so long. Never rejects. */
  async abandonJoin(timeoutMs: number): Promise<void> {
    if (!this.joins.busy) return;
    // The first join of all is answered at once, with the name that we can leave by.
    if (this.memberId === '') await within(this.joins.answered(), timeoutMs);
    await within(this.leave(), timeoutMs);
    this.joins.cut(leavingError());
  }

  /** Leaves the group, where kafkajs did not, and cuts its connections, so that nothing of it stays pending. Never rejects. */
  async disconnect(): Promise<void> {
    if (this.coordinator?.isConnected()) await this.leave().catch(() => undefined);
    await this.cluster?.disconnect().catch(() => undefined);
  }

  private async leave(): Promise<unknown> {
    return (await this.broker()).leaveGroup({ groupId: this.group, memberId: this.memberId });
  }

  private attach(cluster: GroupCluster): void {
    if (this.cluster === cluster) return;
    this.cluster = cluster;
    this.coordinator = undefined;
    this.rejoinWanted = false;
    const findBroker = cluster.findBroker.bind(cluster);
    cluster.findBroker = async (node) => this.wrap(await findBroker(node));
    const findCoordinator = cluster.findGroupCoordinator.bind(cluster);
    const find = (query: { groupId: string }): Promise<GroupBroker> =>
      findCoordinator(query).catch(async (error: unknown) => {
        throw (await this.coordinatorRefusal(cluster)) ?? error;
      });
    this.findCoordinator = () => find({ groupId: this.group });
    cluster.findGroupCoordinator = async (query) => {
      await this.hooks.beforeJoin();
      const coordinator = this.wrap(await find(query));
      // A consumer that was given up must not take the place of the one after it.
      if (this.cluster !== cluster) throw abandoned();
      return (this.coordinator = coordinator);
    };
    const refresh = cluster.refreshMetadataIfNecessary.bind(cluster);
    cluster.refreshMetadataIfNecessary = async () => {
      if (this.cluster !== cluster) throw abandoned();
      if (this.rejoinWanted)
        throw Object.assign(new StreambackConnectionError('UNREACHABLE', 'Joining again'), { type: 'REBALANCE_IN_PROGRESS' });
      await this.hooks.beforeFetch();
      return refresh();
    };
  }

  /** kafkajs says that no coordinator was found, whatever the brokers said. */
  private async coordinatorRefusal(cluster: GroupCluster): Promise<unknown> {
    const nodeId = cluster.getNodeIds()[0];
    if (nodeId === undefined) return undefined;
    const asked = cluster.findBroker({ nodeId }).then((broker) => broker.findGroupCoordinator({ groupId: this.group, coordinatorType: 0 }));
    return asked.then(
      () => undefined,
      (error: unknown) => (classifyFailure(error) === 'authorization' ? error : undefined),
    );
  }

  private wrap(broker: GroupBroker): GroupBroker {
    // kafkajs gives a broker new ones after some refused logins.
    this.joins.attach(broker.connectionPool);
    readFetches(broker.connectionPool);
    if (this.wrapped.has(broker)) return broker;
    this.wrapped.add(broker);
    const join = broker.joinGroup.bind(broker);
    broker.joinGroup = async (request) => {
      this.rejoinWanted = false;
      try {
        // A rebuilt consumer takes the place of the one before: the group need not wait for that to time out.
        const answer = await join({ ...request, memberId: request.memberId || this.memberId });
        this.joined(answer.generationId, answer.memberId);
        return answer;
      } catch (error) {
        if (rootCause(error).type === 'UNKNOWN_MEMBER_ID') this.memberId = '';
        throw error;
      }
    };
    const heartbeat = broker.heartbeat.bind(broker);
    broker.heartbeat = async (request) => {
      const answer = await heartbeat(request);
      this.confirmedAt = performance.now();
      return answer;
    };
    const fetch = broker.fetch.bind(broker);
    broker.fetch = (request) => this.hooks.fetch(fetch, request);
    const leave = broker.leaveGroup.bind(broker);
    broker.leaveGroup = async (request) => {
      if (!this.leaving || this.memberId === '') return;
      await leave(request);
      this.memberId = '';
    };
    return broker;
  }

  private joined(generation: number, memberId: string): void {
    this.memberId = memberId;
    this.confirmedAt = performance.now();
    if (generation !== this.generation + 1) this.missedRound = true;
    this.generation = generation;
    this.rank = Math.max(this.rank, generation);
  }

  /** The subscription has acted on what the joins until now brought. */
  confirm(): void {
    this.missedRound = false;
  }

  /** kafkajs may lose a request together with its connection: then it is asked anew, and the coordinator looked up. */
  private async answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const { coordinator } = this;
    return limited(ask(), ANSWER_TIMEOUT_MS, () => {
      if (this.coordinator === coordinator) this.coordinator = undefined;
      return new StreambackConnectionError('UNREACHABLE', `The group's coordinator did not answer within ${ANSWER_TIMEOUT_MS} ms`);
    });
  }

  private async broker(): Promise<GroupBroker> {
    if (!this.cluster || !this.findCoordinator) throw notJoined();
    if (!this.coordinator) this.coordinator = this.wrap(await this.findCoordinator());
    else if (!this.coordinator.isConnected())
      this.coordinator = this.wrap(await this.cluster.findBroker({ nodeId: this.coordinator.nodeId }));
    return this.coordinator;
  }

  private async partitionsOf(topic: string): Promise<number[]> {
    const known = this.cluster!.findTopicPartitionMetadata(topic);
    if (known.length > 0) return known.map(({ partitionId }) => partitionId);
    // A topic that only others subscribed to: asked for directly, because kafkajs would from then on insist that it exists.
    try {
      const { topicMetadata } = await (await this.broker()).metadata([topic]);
      return topicMetadata[0]?.partitionMetadata.map(({ partitionId }) => partitionId) ?? [];
    } catch (error) {
      if (ABSENT.has(rootCause(error).type ?? '')) return [];
      throw error;
    }
  }
}

function byTopic<Entry extends { topic: string; partition: number; offset?: number }>(
  entries: readonly Entry[],
): { topic: string; partitions: { partition: number; offset?: string }[] }[] {
  const topics = new Map<string, { partition: number; offset?: string }[]>();
  for (const { topic, partition, offset } of entries) {
    let partitions = topics.get(topic);
    if (!partitions) topics.set(topic, (partitions = []));
    partitions.push(offset === undefined ? { partition } : { partition, offset: String(offset) });
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

function flatten(topics: readonly { topic: string; partitions: readonly { partition: number; offset: string }[] }[]): PartitionOffset[] {
  return topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
  );
}

function abandoned(message = 'Another consumer has taken over'): StreambackConnectionError {
  return Object.assign(new StreambackConnectionError('CLOSED', message), { retriable: false });
}

const leavingError = (): StreambackConnectionError => abandoned('The consumer is leaving its group');

function notJoined(): StreambackConnectionError {
  return new StreambackConnectionError('UNREACHABLE', 'Not a member of the consumer group yet');
}
