import type { Kafka, Message } from 'kafkajs';
import { SpareBuffers } from '../../common/spare-buffers';
import { preparePools, preparingClusters } from './kafka.clusters';
import { isKnownKafkajs } from './kafka.package';
import { RequestBodies, type ConnectionPool } from './kafka.request-bodies';
import { RecordWriter, sizeBatch, type SizedBatch } from './kafka.record-writer';

/** Kafka's number for the request that carries messages. */
const PRODUCE = 0;
/** What is smaller goes through kafkajs, which costs less than a write of its own. */
const LEAST_APART_BYTES = 16_384;
/** What a producer keeps for its next requests, at most. */
const MAX_SPARE_BYTES = 4_194_304;
/** The versions of that request which differ in nothing that is written here. */
const FIRST_VERSION = 3;
const LAST_VERSION = 7;

/** All that goes to one partition, which kafkajs takes for one message: it groups messages in quadratic time. */
export interface MessageRun extends Message {
  readonly run: readonly Message[];
}

/** What kafkajs cannot write: a run that came to its own encoder would fail there, and not be sent as one message without a value. */
const UNWRITABLE = {} as unknown as null;

/** One run for each partition of some messages of a topic. */
export function runsOf(records: readonly Message[]): MessageRun[] {
  const byPartition: Message[][] = [];
  for (const record of records) (byPartition[record.partition!] ??= []).push(record);
  return byPartition.flatMap((run, partition) => ({ value: UNWRITABLE, partition, run }));
}

interface PartitionData {
  readonly partition: number | string;
  readonly firstSequence?: number;
  readonly messages: readonly (Message | MessageRun)[];
}

interface TopicData {
  readonly topic: string;
  readonly partitions: readonly PartitionData[];
}

/** What kafkajs is to send to one broker. */
interface ProduceArguments {
  readonly acks: number;
  readonly timeout: number;
  readonly compression?: number;
  readonly transactionalId?: string | null;
  readonly producerId?: unknown;
  readonly producerEpoch?: number;
  readonly topicData: readonly TopicData[];
}

/** What kafkajs' own encoder is asked for when a request is put together. */
interface Encoded {
  readonly buf: Buffer;
  readonly buffer: Buffer;
  size(): number;
}

interface ProduceProtocol {
  readonly request: { readonly apiKey: number; readonly apiVersion: number; readonly encode: () => Promise<unknown> };
  readonly response: { readonly decode: (bytes: unknown) => Promise<unknown> };
}

type Produce = (args: ProduceArguments) => ProduceProtocol;
type LookupRequest = (apiKey: number, definition: unknown) => Produce;

/** What this needs of kafkajs' broker and cluster, where they have it. */
interface Broker {
  lookupRequest?: LookupRequest;
  readonly connectionPool?: object;
}

interface Cluster {
  findBroker?(node: unknown): Promise<Broker>;
}

/**
 * Writes the messages of a producer's requests instead of kafkajs, which takes an object, several buffers and a dozen calls for each
 * message, and most of a sender's CPU time. All else stays with kafkajs: connections, metadata, answers, errors. The producer is one of
 * {@link of}, so nothing else sees it; a kafkajs that is made otherwise encodes for itself, as it does what is not plain
 * (compression, idempotence, transactions).
 */
export class ProduceEncoding {
  private readonly wrapped = new WeakSet<LookupRequest>();
  private readonly bodies = new WeakMap<object, RequestBodies>();
  private readonly spare = new SpareBuffers(MAX_SPARE_BYTES);
  private reached = false;

  /** Requests come through here, so that kafkajs may be given runs: a kafkajs that does not know of them must never see one. */
  get takesRuns(): boolean {
    return this.reached;
  }

  /** The same kafkajs; a producer of this one has its requests written here. */
  of(kafka: Kafka): Kafka {
    if (!isKnownKafkajs()) return kafka;
    return preparingClusters<Cluster>(kafka, (cluster) => {
      preparePools<ConnectionPool>(cluster, (pool) => {
        const bodies = RequestBodies.around(pool);
        if (bodies) this.bodies.set(pool, bodies);
      });
      const find = cluster.findBroker?.bind(cluster);
      if (find) cluster.findBroker = async (node) => this.wrap(await find(node));
    });
  }

  /** A broker looks up anew what its server can do each time it connects; kafkajs asks for it before each request. */
  private wrap(broker: Broker): Broker {
    const lookup = broker.lookupRequest;
    if (typeof lookup !== 'function' || this.wrapped.has(lookup)) return broker;
    const own: LookupRequest = (apiKey, definition) => {
      const protocol = lookup(apiKey, definition);
      return apiKey === PRODUCE ? this.writing(protocol, this.bodies.get(broker.connectionPool!)) : protocol;
    };
    this.wrapped.add(own);
    broker.lookupRequest = own;
    return broker;
  }

  private writing(produce: Produce, bodies?: RequestBodies): Produce {
    this.reached = true;
    return (args) => {
      const topicData = args.topicData.map(withoutRuns);
      const protocol = produce({ ...args, topicData });
      const { request, response } = protocol;
      const known = request.apiKey === PRODUCE && request.apiVersion >= FIRST_VERSION && request.apiVersion <= LAST_VERSION;
      if (!known || !isPlain(args)) return protocol;
      let buffer: Buffer | undefined;
      const allocate = (size: number): Buffer => {
        // Nothing tells when it may be used again.
        if (args.acks === 0) return Buffer.allocUnsafe(size);
        buffer = this.spare.take(size);
        return buffer.subarray(0, size);
      };
      const encode = async (): Promise<unknown> => {
        const bytes = encodeProduce(args.acks, args.timeout, topicData, allocate);
        if (!bytes) return request.encode();
        return encoded(bodies && bytes.length >= LEAST_APART_BYTES ? bodies.replace(bytes) : bytes);
      };
      // The broker has read all of it. Where no answer comes, it may still be on its way.
      const decode = (answer: unknown): Promise<unknown> => {
        if (buffer) this.spare.giveBack(buffer);
        buffer = undefined;
        return response.decode(answer);
      };
      return { ...protocol, request: { ...request, encode }, response: { ...response, decode } };
    };
  }
}

/**
 * A produce request without its head, of plain messages; `undefined` where there is anything else among them.
 * @param allocate gives what it is written to
 */
export function encodeProduce(
  acks: number,
  timeout: number,
  topicData: readonly TopicData[],
  allocate: (size: number) => Buffer,
): Buffer | undefined {
  const topics: { readonly topic: string; readonly length: number; readonly batches: readonly SizedBatch[] }[] = [];
  // The transaction's name (none), acks, timeout, and the number of topics.
  let size = 2 + 2 + 4 + 4;
  for (const { topic, partitions } of topicData) {
    const batches: SizedBatch[] = [];
    for (const { partition, messages } of partitions) {
      const batch = sizeBatch(Number(partition), messages);
      if (!batch) return undefined;
      batches.push(batch);
      size += 4 + 4 + batch.bytes;
    }
    const length = Buffer.byteLength(topic);
    topics.push({ topic, length, batches });
    size += 2 + length + 4;
  }
  const writer = new RecordWriter(allocate(size));
  const now = Date.now();
  writer.int16(-1);
  writer.int16(acks);
  writer.int32(timeout);
  writer.int32(topics.length);
  for (const { topic, length, batches } of topics) {
    writer.string(topic, length);
    writer.int32(batches.length);
    for (const batch of batches) {
      writer.int32(batch.partition);
      writer.int32(batch.bytes);
      writer.batch(batch, now);
    }
  }
  return writer.bytes;
}

const encoded = (bytes: Buffer): Encoded => ({ buf: bytes, buffer: bytes, size: () => bytes.length });

/** Neither compressed, nor of an idempotent or transactional producer. */
function isPlain({ compression, transactionalId, producerId, producerEpoch, topicData }: ProduceArguments): boolean {
  if ((compression ?? 0) !== 0 || (transactionalId ?? null) !== null || (producerEpoch ?? 0) !== 0) return false;
  if ((producerId ?? -1) !== -1) return false;
  return topicData.every(({ partitions }) => partitions.every(({ firstSequence }) => (firstSequence ?? 0) === 0));
}

function withoutRuns({ topic, partitions }: TopicData): TopicData {
  return { topic, partitions: partitions.map((data) => ({ ...data, messages: recordsOf(data.messages) })) };
}

function recordsOf(messages: PartitionData['messages']): readonly Message[] {
  if (messages.length === 1) return runIn(messages[0]!) ?? messages;
  return messages.some(runIn) ? messages.flatMap((message) => runIn(message) ?? [message]) : messages;
}

const runIn = (message: Partial<MessageRun>): readonly Message[] | undefined => message.run;
