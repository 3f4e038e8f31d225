import type { Workload } from './workloads';

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
  readonly natsUrl: string;
  /** A free port for a peer that listens itself. */
  readonly port: number;
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
  /** The items of a stream, for a peer whose reader can take them at its own pace; what another's has, waits in its process. */
  read?(message: Message): AsyncIterable<Item>;
  close(): Promise<unknown>;
}

/** One way to do it; each file of `peers/` exports one as `peer`. */
export interface Peer {
  /** Resolves when it takes messages, to a function that ends it. */
  startServer(venue: Venue): Promise<() => Promise<unknown>>;
  startClient(venue: Venue): Promise<PeerClient>;
}

const texts = new Map<number, string>();

function textOf(length: number): string {
  const text = texts.get(length) ?? 'x'.repeat(length);
  texts.set(length, text);
  return text;
}

/** A message of a workload. */
export const message = (run: number, id: number, { textLength, items }: Workload): Message => ({
  run,
  id,
  text: textOf(textLength),
  items,
});
