import type { Kafka, Message, Producer } from 'kafkajs';
import { StreambackPublishError } from '../../common/errors';
import { limited, within } from '../../common/waiting';
import type { StreambackKafkaOptions } from './kafka.options';
import { ProduceEncoding, runsOf } from './kafka.produce-encoding';
import type { PendingMessage, PublishTopic } from './kafka.publish-queue';

const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const DEFAULT_METADATA_MAX_AGE_MS = 300_000;
const DISCONNECT_TIMEOUT_MS = 2_000;

/** A kafkajs producer that is connected when it is needed, and anew after {@link discard}. */
export class ProducerClient {
  private producer: Promise<Producer> | undefined;
  private readonly encoding = new ProduceEncoding();

  constructor(
    private readonly kafka: Kafka,
    private readonly options: StreambackKafkaOptions,
    private readonly onConnected: () => void = () => undefined,
  ) {}

  /** How long kafkajs takes what it knows of a topic for granted, in ms. */
  get metadataMaxAgeMs(): number {
    return this.options.producer?.metadataMaxAge ?? DEFAULT_METADATA_MAX_AGE_MS;
  }

  connected(): Promise<Producer> {
    this.producer ??= this.open();
    return this.producer;
  }

  unwrap(): Promise<Producer> | undefined {
    return this.producer;
  }

  /** Sends in one request to each broker. kafkajs may lose one together with its connection: then it is given up. */
  async send(messages: readonly PendingMessage[]): Promise<void> {
    const { send, client } = this.options;
    const requestMs = Math.max(send?.timeout ?? 0, client?.requestTimeout ?? 0, DEFAULT_REQUEST_TIMEOUT_MS);
    // Metadata may have to be asked for before.
    await limited(this.request(messages), 2 * requestMs + DISCONNECT_TIMEOUT_MS, () => {
      void this.discard();
      return new StreambackPublishError('PUBLISH_TIMEOUT', 'kafkajs did not answer');
    });
  }

  /** Never rejects, and does not take long. */
  async discard(): Promise<void> {
    const producer = this.producer;
    this.producer = undefined;
    await within(
      producer?.then((each) => each.disconnect()),
      DISCONNECT_TIMEOUT_MS,
    );
  }

  private async request(messages: readonly PendingMessage[]): Promise<void> {
    const producer = await this.connected();
    const byTopic = new Map<PublishTopic, Message[]>();
    for (const message of messages) {
      const records = byTopic.get(message.topic);
      if (records) records.push(message.record);
      else byTopic.set(message.topic, [message.record]);
      message.sent = true;
    }
    let partitions = 0;
    const topicMessages = [...byTopic].map(([{ name }, records]) => {
      const runs = runsOf(records);
      partitions += runs.length;
      return { topic: name, messages: this.encoding.takesRuns ? runs : records };
    });
    const answers = await producer.sendBatch({ ...this.options.send, topicMessages });
    if (this.options.send?.acks === 0) return;
    // kafkajs passes over a partition whose leader it does not know, and resolves.
    if (answers.length < partitions)
      throw new StreambackPublishError('PUBLISH_TIMEOUT', `${partitions - answers.length} partitions were not acknowledged`);
  }

  private async open(): Promise<Producer> {
    const producer = this.encoding.of(this.kafka).producer({
      allowAutoTopicCreation: false,
      metadataMaxAge: this.metadataMaxAgeMs,
      // Its own retry forgets messages of the brokers that had answered (kafkajs pull request 1798).
      retry: { retries: 0 },
      createPartitioner: () => partitionAsWritten,
    });
    try {
      await producer.connect();
      this.onConnected();
      return producer;
    } catch (error) {
      this.producer = undefined;
      await producer.disconnect().catch(() => undefined);
      throw error;
    }
  }
}

/** kafkajs passes over a partition that its metadata lacks, and resolves: refused here, so that it asks for them anew. */
function partitionAsWritten({ message, partitionMetadata }: { message: Message; partitionMetadata: readonly unknown[] }): number {
  if (message.partition! < partitionMetadata.length) return message.partition!;
  throw Object.assign(new StreambackPublishError('PUBLISH_TIMEOUT', `Partition ${message.partition} is not known yet`), {
    name: 'KafkaJSMetadataNotLoaded',
  });
}
