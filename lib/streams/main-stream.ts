/**
 * A header as a broker keeps it. A list of pairs, because a broker keeps the order and allows a name twice.
 */
export type MessageHeader = readonly [name: string, value: Buffer];

/** What {@link MainStream.publish} takes. */
export interface OutgoingMessage {
  /** The full topic name, prefix included. */
  readonly topic: string;
  /** Messages of one key keep their order (M4); `null` leaves the place to the stream. */
  readonly key: string | Buffer | null;
  /** The encoded message; `null` is legal and is handed over as such. */
  readonly value: Buffer | null;
  readonly headers: readonly MessageHeader[];
  /**
   * The topic belongs to the sender, as nobody subscribes to it who could create it: a missing one is created where the stream may
   * create topics. Else a missing topic is UNKNOWN_TOPIC.
   */
  readonly createTopic?: true;
}

/** One message as it came from the broker: the raw facts, nothing decoded. */
export interface MainStreamMessage {
  readonly topic: string;
  readonly partition: number;
  /** The place in the partition; decimal, because brokers count with 64 bits. */
  readonly offset: string;
  /** Epoch ms, as the broker has it. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly MessageHeader[];
  /**
   * Rank of this delivery among the deliveries of the same message: a later one never has a smaller rank (M3, F4). Kafka: the
   * group's generation. A broker that counts deliveries: that count.
   */
  readonly rank: number;
}

/** One message as handed to a subscriber, until it is settled. Exactly one of `settle` and `release` is called, once. */
export interface MainStreamDelivery {
  readonly message: MainStreamMessage;
  /** The message is done with and must not come again (M2). Never throws; settling what was revoked does nothing. */
  settle(): void;
  /** The message was not handled: it is to be delivered again (M3), to this or another subscriber. Never throws. */
  release(): void;
  /** Aborts when the message no longer belongs to this subscriber: it will be, or was, delivered to another. */
  readonly revoked: AbortSignal;
}

export interface MainStreamSubscribeOptions {
  /** The consumer group. Each group gets every message; within a group, one subscriber does. */
  readonly group: string;
  /** Full topic names. Missing ones are created where the stream may create topics. */
  readonly topics: readonly string[];
  /** Deliveries handed over and not yet settled or released, over all topics; fetching pauses beyond (M7). */
  readonly maxInFlight: number;
  /**
   * Takes one delivery, in the order of its partition. It must return at once and must not throw: ordering by key, concurrency
   * and handling are the subscriber's business; pausing is the stream's, by what is unsettled.
   */
  readonly onDelivery: (delivery: MainStreamDelivery) => void;
  /** Told what changes hands. `revoked` comes after the work of those partitions has drained, or its time was up. */
  readonly onRebalance?: (change: { assigned: readonly TopicPartition[]; revoked: readonly TopicPartition[] }) => void;
  /**
   * Told of partitions that are to go to another subscriber, once what was handed over of them is settled or released: what has not begun
   * is better released at once. Nothing more of them is handed over, unless they stay after all.
   */
  readonly onLeaving?: (places: readonly TopicPartition[]) => void;
  /** How long work on a revoked partition, or work at closing, is waited for before its `revoked` signal aborts, in ms. */
  readonly drainTimeoutMs: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** How the broker sees a subscriber. */
export interface MemberHeartbeat {
  /** Since the broker last confirmed that it is a member of its group, in ms. */
  readonly ageMs: number;
  /** A member that is silent for so long is not one any more, in ms. */
  readonly timeoutMs: number;
}

export interface MainStreamSubscription {
  /**
   * Stops handing over deliveries at once; what is in flight may go on and settle. Resolves when nothing more will be handed over.
   */
  stop(): Promise<void>;
  /** `stop`, waits for in-flight deliveries up to `drainTimeoutMs`, aborts the rest, saves what is settled (M8). Idempotent. */
  close(): Promise<void>;
  /** For health, where members prove to the broker that they live. */
  heartbeat?(): MemberHeartbeat;
  /** For health: messages in the partitions of this subscriber that are not settled, those that it has not fetched among them. @throws StreambackConnectionError */
  lag?(): Promise<number>;
}

export interface MainStreamScanOptions {
  /** The full topic name. A missing topic has no messages, and is not created. */
  readonly topic: string;
  /** Whose place in the topic is kept: a group that does not subscribe. */
  readonly group: string;
  /** Begin with the earliest message that there is, wherever the group's place is. @default false */
  readonly fromBeginning?: boolean;
}

/**
 * What a topic held, behind the group's place, when the scan began: each message once, those of a partition in order. It is iterated
 * once. A group without a place begins with the earliest message.
 */
export interface MainStreamScan extends AsyncIterable<MainStreamMessage> {
  /**
   * Saves the group's place, right behind a message of this scan. Of another partition nothing is said. Iterating alone saves nothing.
   * @throws StreambackConnectionError
   */
  moveBehind(message: MainStreamMessage): Promise<void>;
  /** Frees what the scan took. Idempotent. */
  close(): Promise<void>;
}

/** What a stream can do beyond the minimum; the contract suite tests what is declared. */
export interface MainStreamCapabilities {
  /** Messages outlive the processes that sent them and the stream's own restart. */
  readonly durable: boolean;
  /** Messages of one key are delivered in the order they were published (M4). */
  readonly keyOrder: boolean;
  /** Several subscribers of a group share the topics, and take over from one that went. */
  readonly rebalance: boolean;
  /** `lag` is there. */
  readonly lag: boolean;
  /** `scan` is there. @default false */
  readonly scan?: boolean;
}

export type StreamStatus = 'connected' | 'reconnecting' | 'rebalancing' | 'disconnected';

/**
 * Carries requests and events to consumers. The numbered promises (M1-M8) are those of docs/guarantees.md; `testMainStream` of
 * `nestjs-streamback/testing` holds an implementation to them.
 */
export interface MainStream {
  /** The system, for logs and errors: `kafka`, `memory`. */
  readonly name: string;
  readonly capabilities: MainStreamCapabilities;
  /** Connects what publishing needs. Idempotent; called once before the first `publish`. @throws StreambackConnectionError */
  connect(): Promise<void>;
  /**
   * Resolves when the broker has acknowledged the message (M1).
   * @throws StreambackPublishError TOO_LARGE, PUBLISH_TIMEOUT
   * @throws StreambackConnectionError UNKNOWN_TOPIC, UNREACHABLE, NOT_AUTHORIZED, AUTHENTICATION_FAILED, CLOSED
   */
  publish(message: OutgoingMessage): Promise<void>;
  /** Resolves once the subscriber is assigned, so that what is published from now on reaches it. @throws StreambackConnectionError */
  subscribe(options: MainStreamSubscribeOptions): Promise<MainStreamSubscription>;
  /** Messages not yet handled by the group, per topic. */
  lag?(group: string, topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Creates missing topics, where the stream may create topics, as `subscribe` does for its own. @throws StreambackConnectionError */
  prepare?(topics: readonly string[]): Promise<void>;
  /** How many subscribers of a group each topic can have that are of use; missing topics are left out. */
  partitions?(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Reads a topic up to its present end, beside all subscribers. Resolves once that end is known. @throws StreambackConnectionError */
  scan?(options: MainStreamScanOptions): Promise<MainStreamScan>;
  /** For health: resolves once a broker has answered, however long that takes. @throws StreambackConnectionError */
  ping?(): Promise<void>;
  /** Called with each change; the first call comes at once. Returns a function that ends it. */
  onStatus(listener: (status: StreamStatus) => void): () => void;
  /** Flushes what was handed over, up to its timeout, and frees everything. Idempotent. Subscriptions are closed before. */
  close(): Promise<void>;
  /** The driver's own objects, for what the contract does not cover. */
  unwrap(): unknown;
}
