import type { Kafka, Message, Producer } from 'kafkajs';
import { StreambackConnectionError } from '../../common/errors';
import type { StreambackLogger } from '../../common/logger';
import { limited } from '../../common/waiting';
import type { MessageHeader, OutgoingMessage, StreamStatus } from '../main-stream';
import { BatchSender } from './kafka.batch-sender';
import { describeFailure, isPassing, toConnectionError } from './kafka.errors';
import type { StreambackKafkaOptions } from './kafka.options';
import { ProducerClient } from './kafka.producer-client';
import { createPublishTopic, place, sizeOfRecord, type PendingMessage, type PublishTopic } from './kafka.publish-queue';
import type { KafkaTopics } from './kafka.topics';

const LOUD_AT_TRY = 4;
const NO_ANSWER_REMEDY =
  'Check that the address is that of a Kafka broker, which answers: another server, such as Redis, may take the connection and say nothing.';
/** Topics whose names are kept; beyond, all are looked up anew. Bounds what callers with ever new names can take. */
const MAX_KNOWN_TOPICS = 10_000;

export interface KafkaProducerOptions {
  readonly kafka: Kafka;
  readonly topics: KafkaTopics;
  readonly options: StreambackKafkaOptions;
  readonly publishTimeoutMs: number;
  /** Where it connects to, for messages. */
  readonly address: string;
  readonly logger: StreambackLogger;
  readonly onStatus: (status: StreamStatus) => void;
}

/** A topic with what waits for it to be found. */
interface KnownTopic extends PublishTopic {
  waiting: PendingMessage[];
  lookup: Promise<void> | undefined;
  checkedAt: number;
}

/** Publishes: finds topics, and hands their messages to the {@link BatchSender} that this connects to kafkajs. */
export class KafkaProducer {
  private readonly known = new Map<string, KnownTopic>();
  private readonly sender: BatchSender;
  private readonly client: ProducerClient;
  private closed: Promise<void> | undefined;
  private failedTries = 0;
  /** The outage has been logged: loud once, quiet after. */
  private said = false;

  constructor(private readonly settings: KafkaProducerOptions) {
    const { kafka, options, onStatus } = settings;
    this.client = new ProducerClient(kafka, options, () => onStatus('connected'));
    this.sender = new BatchSender({
      publishTimeoutMs: settings.publishTimeoutMs,
      send: (messages) => this.client.send(messages),
      apart: () => {
        // kafkajs has no leader of any topic while one that it was ever given has none: a new one has forgotten it.
        void this.client.discard();
        return new ProducerClient(kafka, options);
      },
      onUnknownTopic: (messages) => this.onUnknownTopic(messages),
      onTrouble: (error) => this.onTrouble(error),
    });
  }

  /** Takes `publishTimeoutMs` at most: kafkajs would wait for its own, longer limits. @throws StreambackConnectionError */
  async connect(): Promise<void> {
    if (this.closed) throw closedError();
    const { address, publishTimeoutMs } = this.settings;
    try {
      await limited(this.client.connected(), publishTimeoutMs, () => {
        const message = `Kafka at ${address} did not answer within ${publishTimeoutMs} ms`;
        return new StreambackConnectionError('UNREACHABLE', message, { remedy: NO_ANSWER_REMEDY });
      });
    } catch (error) {
      throw toConnectionError(error, `Connecting to Kafka at ${address}`);
    }
  }

  publish(outgoing: OutgoingMessage): Promise<void> {
    if (this.closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const now = Date.now();
      const topic = this.topic(outgoing.topic);
      const record: Message = {
        key: typeof outgoing.key === 'string' ? Buffer.from(outgoing.key) : outgoing.key,
        value: outgoing.value,
      };
      if (outgoing.headers.length > 0) record.headers = headersOf(outgoing.headers);
      const deadline = now + this.settings.publishTimeoutMs;
      const { createTopic = false } = outgoing;
      const bytes = sizeOfRecord(record);
      const message: PendingMessage = { topic, createTopic, record, bytes, deadline, resolve, reject, done: false, sent: false };
      this.enqueue(message, topic);
      if (topic.partitions > 0 && now - topic.checkedAt > this.client.metadataMaxAgeMs) void this.refresh(topic, now);
    });
  }

  /** Sends what was handed over, up to `publishTimeoutMs`, and disconnects. Idempotent. */
  close(): Promise<void> {
    return (this.closed ??= this.end());
  }

  /** The driver's own producer, once connected. */
  unwrap(): Promise<Producer> | undefined {
    return this.client.unwrap();
  }

  private async end(): Promise<void> {
    const lookups = () => [...this.known.values()].flatMap(({ lookup }) => lookup ?? []);
    // What is being sent may have to look for its topic again.
    do {
      await Promise.all(lookups());
      await this.sender.drained();
    } while (lookups().length > 0);
    this.sender.end();
    await this.client.discard();
  }

  private enqueue(message: PendingMessage, topic: KnownTopic): void {
    if (topic.partitions > 0) {
      this.sender.push(message);
    } else {
      topic.waiting.push(message);
      topic.lookup ??= this.find(topic);
    }
  }

  private topic(name: string): KnownTopic {
    let topic = this.known.get(name);
    if (topic) return topic;
    if (this.known.size >= MAX_KNOWN_TOPICS) {
      for (const [each, { lookup }] of this.known) if (!lookup) this.known.delete(each);
    }
    topic = { ...createPublishTopic(name, this.settings.options.partitioner), waiting: [], lookup: undefined, checkedAt: 0 };
    this.known.set(name, topic);
    return topic;
  }

  /** Looks a topic up, without holding up others; then sends, or rejects, what waits for it. */
  private async find(topic: KnownTopic): Promise<void> {
    const { topics, publishTimeoutMs, address } = this.settings;
    const until = Date.now() + publishTimeoutMs;
    const mayCreate = (): boolean => topic.waiting.some(({ createTopic }) => createTopic);
    let last: StreambackConnectionError | undefined;
    for (;;) {
      const create = mayCreate();
      try {
        const lookUp = async (): Promise<number> => {
          if (create) await topics.ensure([topic.name]);
          return topics.waitFor(topic.name);
        };
        topic.partitions = await limited(lookUp(), Math.max(until - Date.now(), 0), () => {
          const message = `Kafka at ${address} did not say within ${publishTimeoutMs} ms where '${topic.name}' is`;
          return new StreambackConnectionError('UNREACHABLE', last ? `${message}: ${last.message}` : message, { cause: last });
        });
        topic.checkedAt = Date.now();
        topic.lookup = undefined;
        if (this.failedTries > 0) this.onTrouble(undefined);
        for (const message of topic.waiting.splice(0)) this.sender.push(message);
        return;
      } catch (error) {
        const failure = error as StreambackConnectionError;
        // One that may create it has come meanwhile.
        if (failure.code === 'UNKNOWN_TOPIC' && !create && mayCreate()) continue;
        // A broker that cannot be reached may come back; all else is an answer.
        if (failure.code === 'UNREACHABLE' && Date.now() < until) {
          last = failure;
          this.onTrouble(failure);
          await new Promise((resolve) => setTimeout(resolve, 200));
          continue;
        }
        if (this.known.get(topic.name) === topic) this.known.delete(topic.name);
        topic.lookup = undefined;
        for (const message of topic.waiting.splice(0)) message.reject(failure);
        return;
      }
    }
  }

  /** Partitions may have been added since. */
  private async refresh(topic: KnownTopic, now: number): Promise<void> {
    topic.checkedAt = now;
    const partitions = await this.settings.topics.partitionsOf(topic.name).catch(() => undefined);
    if (partitions !== undefined) topic.partitions = partitions;
  }

  /**
   * A topic was deleted, or the broker has not heard of it yet. What belongs to a topic that is gone leaves the batch, and waits for
   * it as for one that was never seen.
   */
  private async onUnknownTopic(messages: readonly PendingMessage[]): Promise<void> {
    for (const topic of new Set(messages.map((message) => message.topic as KnownTopic))) {
      const partitions = await this.settings.topics.partitionsOf(topic.name);
      if (partitions !== undefined) {
        topic.partitions = partitions;
        const own = messages.filter((message) => message.topic === topic);
        // It was made anew with fewer: keys share partitions, so all are placed anew, and not only what has lost its place.
        if (own.some(({ record }) => record.partition! >= partitions)) own.forEach(place);
        continue;
      }
      // What else waits for it comes here in its turn; what is published from now on is looked up.
      if (this.known.get(topic.name) === topic) this.known.delete(topic.name);
      const next = this.topic(topic.name);
      for (const message of messages) {
        if (message.topic !== topic || message.done) continue;
        message.done = true;
        this.enqueue({ ...message, topic: next, record: { ...message.record, partition: undefined } as Message, done: false }, next);
      }
    }
    // kafkajs asks for every topic it was ever given, and one that is gone fails them all: a new one has forgotten it.
    await this.client.discard();
  }

  /** @param error of the last try; `undefined` when it succeeded */
  private onTrouble(error: unknown): void {
    const { logger, address, onStatus } = this.settings;
    if (error === undefined) {
      if (this.said) logger.log(`Publishing to Kafka at ${address} goes on`);
      this.said = false;
      this.failedTries = 0;
      onStatus('connected');
      return;
    }
    this.failedTries += 1;
    // A leader that moves says so for a moment: worth a line only when it goes on.
    if (this.said || (isPassing(error) && this.failedTries < LOUD_AT_TRY)) return;
    this.said = true;
    logger.warn(`Publishing to Kafka at ${address} is interrupted, trying again: ${describeFailure(error)}`);
    onStatus('reconnecting');
  }
}

function headersOf(headers: readonly MessageHeader[]): NonNullable<Message['headers']> {
  // Without a prototype, or a header named `__proto__` would vanish.
  const object = Object.create(null) as Record<string, Buffer | Buffer[]>;
  for (const [name, value] of headers) {
    const present = object[name];
    if (present === undefined) object[name] = value;
    else if (Array.isArray(present)) present.push(value);
    else object[name] = [present, value];
  }
  return object;
}

function closedError(): StreambackConnectionError {
  return new StreambackConnectionError('CLOSED', 'The Kafka stream is closed');
}
