/** The topics of one round: events and calls have 4 partitions, streams one. */
export interface Topics {
  readonly events: string;
  readonly calls: string;
  readonly streams: string;
}

/** Where the two processes of a peer meet: fresh topics and names for each round. */
export interface Venue {
  /** `127.0.0.1:port` of each Kafka node. */
  readonly brokers: readonly string[];
  readonly redisUrl: string;
  readonly topics: Topics;
  /** The server's consumer group. */
  readonly group: string;
}

/** What is sent. A call is answered with itself; a stream with so many items. */
export interface Message {
  /** The measurement that it belongs to, and its number there. */
  readonly run: number;
  readonly id: number;
  readonly text: string;
  readonly items?: number;
}

export interface Item {
  readonly id: number;
  readonly text: string;
}

/** The sending half of a peer. */
export interface PeerClient {
  /** Resolves when the broker has the event. */
  emit(message: Message): Promise<unknown>;
  /** Resolves when all answers are there; each is given to `onAnswer` as it comes. */
  ask(kind: 'calls' | 'streams', message: Message, onAnswer: (answer: Item) => void): Promise<void>;
  close(): Promise<unknown>;
}

/** One way to do it; each file of `peers/` exports one as `peer`. */
export interface Peer {
  /** Resolves when it takes messages, to a function that ends it. */
  startServer(venue: Venue): Promise<() => Promise<unknown>>;
  startClient(venue: Venue): Promise<PeerClient>;
}

const TEXT = 'x'.repeat(70);

/** About 100 bytes as JSON. */
export const item = (id: number): Item => ({ id, text: TEXT });
export const message = (run: number, id: number, items?: number): Message => ({ run, id, text: TEXT, items });

/** The items of a streamed answer, made as they are asked for. */
export function* itemsOf({ items = 0 }: Message): Generator<Item> {
  for (let id = 0; id < items; id++) yield item(id);
}
