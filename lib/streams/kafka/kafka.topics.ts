import type { Admin, Kafka } from 'kafkajs';
import { StreambackConnectionError } from '../../common/errors';
import { limited, within } from '../../common/waiting';
import { classifyFailure, isPassing, rootCause, toConnectionError } from './kafka.errors';
import type { StreambackKafkaOptions } from './kafka.options';

/** How long a missing topic is waited for, in ms: a service that starts beside its client creates it within that. */
export const UNKNOWN_TOPIC_WAIT_MS = 2_000;
/** How long it is waited for what was created to be served by its leaders, in ms. */
const CREATED_TOPIC_WAIT_MS = 15_000;
const LOOKUP_INTERVAL_MS = 100;
const LOOKS_FOR_MISSING = 3;
/** Whatever is asked, in ms: beyond kafkajs' own limits for connecting, its tries and a request. */
const ANSWER_TIMEOUT_MS = 60_000;
const DISCONNECT_TIMEOUT_MS = 2_000;

interface WaitForTopicOptions {
  /** What to do where it does not exist. */
  readonly remedy?: string | undefined;
  /** It was created just now. @default false */
  readonly isCreated?: boolean;
  /** @default UNKNOWN_TOPIC_WAIT_MS, or CREATED_TOPIC_WAIT_MS */
  readonly waitMs?: number | undefined;
}

/** Looks topics up, creates them, and measures lag: what needs kafkajs' admin client. */
export class KafkaTopics {
  private admin: Promise<Admin> | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly kafka: Kafka,
    private readonly options: StreambackKafkaOptions,
  ) {}

  /** The number of partitions, or `undefined` where there is no such topic, or none yet that could be used. @throws StreambackConnectionError */
  async partitionsOf(topic: string): Promise<number | undefined> {
    const found = await this.lookUp(topic);
    return typeof found === 'number' ? found : undefined;
  }

  /** Whether there is no such topic. Asked several times: some broker may not have heard of it yet. @throws StreambackConnectionError */
  async isMissing(topic: string): Promise<boolean> {
    for (let look = 0; look < LOOKS_FOR_MISSING; look++) {
      if (look > 0) await new Promise((resolve) => setTimeout(resolve, LOOKUP_INTERVAL_MS));
      if ((await this.lookUp(topic)) !== 'missing') return false;
    }
    return true;
  }

  private lookUp(topic: string): Promise<number | 'missing' | 'without leader'> {
    return this.run(`Looking up topic '${topic}'`, async (admin) => {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
        return topics[0]?.partitions.length || 'missing';
      } catch (error) {
        const { type } = rootCause(error);
        // A topic that was created a moment ago has no leaders yet; one whose name no broker takes cannot exist.
        if (type === 'LEADER_NOT_AVAILABLE') return 'without leader';
        if (type === 'INVALID_TOPIC_EXCEPTION' || classifyFailure(error) === 'unknown-topic') return 'missing';
        throw error;
      }
    });
  }

  /**
   * Waits for a topic, and for one that has just come until all of its partitions can be written to.
   * @throws StreambackConnectionError UNKNOWN_TOPIC and others
   */
  async waitFor(topic: string, { remedy, isCreated = false, waitMs }: WaitForTopicOptions = {}): Promise<number> {
    const until = Date.now() + (waitMs ?? (isCreated ? CREATED_TOPIC_WAIT_MS : UNKNOWN_TOPIC_WAIT_MS));
    for (let isNew = isCreated; ; isNew = true) {
      const partitions = await this.partitionsOf(topic);
      if (partitions !== undefined && (!isNew || (await this.isServed(topic)))) return partitions;
      if (Date.now() + LOOKUP_INTERVAL_MS > until || this.closed) {
        const what = partitions === undefined ? 'does not exist' : 'has partitions that no broker serves';
        throw new StreambackConnectionError('UNKNOWN_TOPIC', `Topic '${topic}' ${what}`, { remedy });
      }
      await new Promise((resolve) => setTimeout(resolve, LOOKUP_INTERVAL_MS));
    }
  }

  /** Creates what is missing of `topics`, where topics may be created, and waits until all are there. @throws StreambackConnectionError */
  async ensure(topics: readonly string[], waitMs?: number): Promise<void> {
    const found = await Promise.all(topics.map((topic) => this.partitionsOf(topic)));
    const missing = topics.filter((_topic, index) => found[index] === undefined);
    if (missing.length === 0) return;
    const create = this.options.createTopics !== false;
    if (create) await this.create(missing);
    const remedy = create ? undefined : 'Create the topic, or let kafka.createTopics do it.';
    await Promise.all(missing.map((topic) => this.waitFor(topic, { remedy, waitMs, isCreated: create })));
  }

  /**
   * Whether each partition has a leader that serves it. Metadata name a leader before it does; a produce request then fails for that
   * partition, and what was sent for the others with it is written twice.
   */
  private async isServed(topic: string): Promise<boolean> {
    try {
      await this.run(`Reading the offsets of '${topic}'`, (admin) => admin.fetchTopicOffsets(topic));
      return true;
    } catch (error) {
      if (isPassing(error)) return false;
      throw error;
    }
  }

  private async create(topics: readonly string[]): Promise<void> {
    const { partitions = -1, replicationFactor = -1 } = this.options;
    await this.run(`Creating the topics ${topics.join(', ')}`, async (admin) => {
      try {
        await admin.createTopics({
          // kafkajs' own wait fails where the asked broker has not heard of the topic yet.
          waitForLeaders: false,
          topics: topics.map((topic) => ({ topic, numPartitions: partitions, replicationFactor })),
        });
      } catch (error) {
        // One error for each topic that was not created; the others were.
        const { errors } = error as { errors?: readonly { topic: string }[] };
        if (!errors) throw error;
        const failures = errors.filter((each) => rootCause(each).type !== 'TOPIC_ALREADY_EXISTS');
        // A refusal is said rather than what may pass.
        const refused = failures.filter((each) => classifyFailure(each) === 'authorization');
        const said = refused.length > 0 ? refused : failures;
        if (said.length > 0) throw toConnectionError(said[0], `Creating ${said.map(({ topic }) => `'${topic}'`).join(', ')}`);
      }
    });
  }

  /** Resolves once a broker has answered. @throws StreambackConnectionError */
  async ping(): Promise<void> {
    await this.run('Asking Kafka for its brokers', (admin) => admin.describeCluster());
  }

  /** The next offset of each partition, per topic. @throws StreambackConnectionError */
  async ends(topics: Iterable<string>): Promise<Map<string, ReadonlyMap<number, number>>> {
    const ends = [...topics].map(async (topic) => {
      const offsets = await this.run(`Reading the offsets of '${topic}'`, (admin) => admin.fetchTopicOffsets(topic));
      return [topic, new Map(offsets.map(({ partition, high }) => [partition, Number(high)]))] as const;
    });
    return new Map(await Promise.all(ends));
  }

  /** Messages that the group has not committed, per topic. A topic that does not exist has none. @throws StreambackConnectionError */
  async lag(group: string, topics: readonly string[]): Promise<Map<string, number>> {
    const lags = new Map<string, number>();
    for (const topic of topics) {
      if ((await this.partitionsOf(topic)) === undefined) lags.set(topic, 0);
      else lags.set(topic, await this.run(`Reading the offsets of '${topic}'`, (admin) => this.lagOf(admin, group, topic)));
    }
    return lags;
  }

  private async lagOf(admin: Admin, group: string, topic: string): Promise<number> {
    const [ends, commits] = await Promise.all([admin.fetchTopicOffsets(topic), admin.fetchOffsets({ groupId: group, topics: [topic] })]);
    const committed = new Map(commits[0]?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
    let lag = 0;
    for (const { partition, high, low } of ends) {
      const offset = committed.get(partition) ?? -1;
      const unread = this.options.fromBeginning === false ? Number(high) : Number(low);
      const from = offset < 0 ? unread : Math.max(offset, Number(low));
      lag += Math.max(0, Number(high) - from);
    }
    return lag;
  }

  /** Frees the connection. Idempotent. */
  async close(): Promise<void> {
    this.closed = true;
    await this.discard();
  }

  /**
   * One task after another: in kafkajs a topic that is looked up takes the place of all that the client knows of others, whose offsets
   * then cannot be read; and a task that fails takes the connection from those beside it.
   */
  private run<Result>(what: string, task: (admin: Admin) => Promise<Result>): Promise<Result> {
    const result = this.last.then(() => this.attempt(what, task));
    this.last = result.catch(() => undefined);
    return result;
  }

  private async attempt<Result>(what: string, task: (admin: Admin) => Promise<Result>): Promise<Result> {
    if (this.closed) throw new StreambackConnectionError('CLOSED', `${what} failed: the stream is closed`);
    const admin = (this.admin ??= this.connect());
    try {
      return await limited(admin.then(task), ANSWER_TIMEOUT_MS, () => {
        return new StreambackConnectionError('UNREACHABLE', `${what} failed: no answer within ${ANSWER_TIMEOUT_MS} ms`);
      });
    } catch (error) {
      // A client that failed once may keep a deleted topic or a dead broker in mind: the next call begins anew.
      await this.discard();
      throw toConnectionError(error, what);
    }
  }

  private async connect(): Promise<Admin> {
    const admin = this.kafka.admin();
    try {
      await admin.connect();
    } catch (error) {
      await admin.disconnect().catch(() => undefined);
      throw error;
    }
    return admin;
  }

  private async discard(): Promise<void> {
    const admin = this.admin;
    this.admin = undefined;
    await within(
      admin?.then((each) => each.disconnect()),
      DISCONNECT_TIMEOUT_MS,
    );
  }
}
