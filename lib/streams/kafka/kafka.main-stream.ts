import type { Kafka } from 'kafkajs';
import { StreambackConnectionError } from '../../common/errors';
import type { StreambackLogger } from '../../common/logger';
import type {
  MainStream,
  MainStreamCapabilities,
  MainStreamScan,
  MainStreamScanOptions,
  MainStreamSubscribeOptions,
  MainStreamSubscription,
  OutgoingMessage,
  StreamStatus,
} from '../main-stream';
import type { StreamUrl } from '../streams-url';
import { brokersOf, createKafka, type KafkaClientSettings } from './kafka.client';
import type { StreambackKafkaOptions } from './kafka.options';
import { KafkaProducer } from './kafka.producer';
import { KafkaScan } from './kafka.scan';
import { KafkaStatus } from './kafka.status';
import { KafkaSubscription } from './kafka.subscription';
import { KafkaTopics } from './kafka.topics';

export interface KafkaMainStreamOptions {
  readonly url: StreamUrl;
  readonly options: StreambackKafkaOptions;
  /** How long the broker's acknowledgement is waited for, tries included, in ms. */
  readonly publishTimeoutMs: number;
  readonly logger: StreambackLogger;
  /** @default 'nestjs-streamback' */
  readonly clientId?: string;
}

/** Kafka as the main stream, over kafkajs. */
export class KafkaMainStream implements MainStream {
  readonly name = 'kafka';
  readonly capabilities: MainStreamCapabilities = { durable: true, keyOrder: true, rebalance: true, lag: true, scan: true };
  private readonly client: KafkaClientSettings;
  private readonly address: string;
  private readonly kafka: Kafka;
  private readonly topics: KafkaTopics;
  private readonly producer: KafkaProducer;
  /** For topics that belong to the sender, as those of dead letters: one that cannot be written must not hold up what others wait for. */
  private readonly aside: KafkaProducer;
  private readonly status = new KafkaStatus();
  private readonly subscriptions = new Set<KafkaSubscription>();
  private readonly scans = new Set<KafkaScan>();
  private count = 0;
  private closed: Promise<void> | undefined;

  /** @throws StreambackConfigError INVALID_STREAMS_URL, PLAINTEXT_SASL */
  constructor(private readonly settings: KafkaMainStreamOptions) {
    const { url, options, logger, clientId, publishTimeoutMs } = settings;
    this.client = { url, options, logger, clientId };
    this.address = brokersOf(url).join(',');
    this.kafka = createKafka(this.client);
    this.topics = new KafkaTopics(this.kafka, options);
    const producing = { kafka: this.kafka, topics: this.topics, options, publishTimeoutMs, address: this.address, logger };
    this.producer = new KafkaProducer({
      ...producing,
      onStatus: (status) => {
        if (!this.closed) this.status.set('producer', status);
      },
    });
    this.aside = new KafkaProducer({ ...producing, onStatus: () => undefined });
  }

  connect(): Promise<void> {
    return this.producer.connect();
  }

  publish(message: OutgoingMessage): Promise<void> {
    return (message.createTopic ? this.aside : this.producer).publish(message);
  }

  async subscribe(subscribe: MainStreamSubscribeOptions): Promise<MainStreamSubscription> {
    if (this.closed) throw new StreambackConnectionError('CLOSED', 'The Kafka stream is closed');
    const { options, logger } = this.settings;
    const part = `consumer ${this.count++}`;
    const subscription = new KafkaSubscription({
      kafka: createKafka(this.client),
      admin: this.topics,
      options,
      subscribe,
      address: this.address,
      logger,
      onStatus: (status) => {
        this.status.set(part, status);
        if (status === undefined) this.subscriptions.delete(subscription);
      },
    });
    this.subscriptions.add(subscription);
    await subscription.start();
    return subscription;
  }

  async lag(group: string, topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.topics.lag(group, topics);
  }

  prepare(topics: readonly string[]): Promise<void> {
    return this.topics.ensure(topics);
  }

  async partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const topic of topics) {
      const count = await this.topics.partitionsOf(topic);
      if (count !== undefined) found.set(topic, count);
    }
    return found;
  }

  async scan(scan: MainStreamScanOptions): Promise<MainStreamScan> {
    if (this.closed) throw new StreambackConnectionError('CLOSED', 'The Kafka stream is closed');
    const own: KafkaScan = new KafkaScan({
      kafka: createKafka(this.client),
      topics: this.topics,
      scan,
      patienceMs: this.settings.publishTimeoutMs,
      onClosed: () => this.scans.delete(own),
    });
    this.scans.add(own);
    return own.open();
  }

  ping(): Promise<void> {
    return this.topics.ping();
  }

  onStatus(listener: (status: StreamStatus) => void): () => void {
    return this.status.onChange(listener);
  }

  close(): Promise<void> {
    return (this.closed ??= this.end());
  }

  /** The kafkajs client: `{ kafka, producer, consumers }`. */
  unwrap(): unknown {
    return { kafka: this.kafka, producer: this.producer.unwrap(), consumers: [...this.subscriptions].map((each) => each.unwrap()) };
  }

  private async end(): Promise<void> {
    // Also those that still wait for their group: their owner has nothing yet that it could close.
    await Promise.all([...this.subscriptions, ...this.scans].map((each) => each.close()));
    await Promise.all([this.producer.close(), this.aside.close()]);
    await this.topics.close();
    this.status.set('producer', undefined);
  }
}
