import { Queue } from '../../common/queue';
import type { MainStreamMessage, OutgoingMessage } from '../main-stream';

/** Messages that a topic keeps for groups that come later; the oldest go first. */
const MAX_KEPT = 10_000;

/** The topics of one memory stream. A topic is one partition. */
export class MemoryTopicStore {
  private static readonly stores = new Map<string, MemoryTopicStore>();
  private readonly groups = new Map<string, MemoryGroup>();
  private readonly logs = new Map<string, { messages: MainStreamMessage[]; nextOffset: number }>();
  /** Places of groups that scan, by group and topic: the offset of the next message. */
  private readonly places = new Map<string, Map<string, number>>();
  private users = 0;

  /** The store of that name, made where there is none; each call is matched by one of `releaseUser`. */
  static acquire(name: string): MemoryTopicStore {
    let store = this.stores.get(name);
    if (!store) this.stores.set(name, (store = new MemoryTopicStore(name)));
    store.users += 1;
    return store;
  }

  private constructor(private readonly name: string) {}

  releaseUser(): void {
    this.users -= 1;
    if (this.users === 0) MemoryTopicStore.stores.delete(this.name);
  }

  publish({ topic, key, value, headers }: OutgoingMessage): void {
    const log = this.log(topic);
    const message: MainStreamMessage = {
      topic,
      partition: 0,
      offset: String(log.nextOffset++),
      timestamp: Date.now(),
      key: typeof key === 'string' ? Buffer.from(key, 'utf8') : key,
      value,
      headers,
      rank: 1,
    };
    log.messages.push(message);
    if (log.messages.length > MAX_KEPT) log.messages.splice(0, MAX_KEPT / 10);
    for (const group of this.groups.values()) group.add(message);
  }

  group(name: string): MemoryGroup {
    let group = this.groups.get(name);
    if (!group) this.groups.set(name, (group = new MemoryGroup((topic) => this.logs.get(topic)?.messages ?? [])));
    return group;
  }

  /** What a topic keeps from the group's place on. */
  after(group: string, topic: string, fromBeginning: boolean): readonly MainStreamMessage[] {
    const place = fromBeginning ? 0 : (this.places.get(group)?.get(topic) ?? 0);
    return (this.logs.get(topic)?.messages ?? []).filter(({ offset }) => Number(offset) >= place);
  }

  moveBehind(group: string, { topic, offset }: MainStreamMessage): void {
    const places = this.places.get(group) ?? new Map<string, number>();
    this.places.set(group, places.set(topic, Number(offset) + 1));
  }

  private log(topic: string): { messages: MainStreamMessage[]; nextOffset: number } {
    let log = this.logs.get(topic);
    if (!log) this.logs.set(topic, (log = { messages: [], nextOffset: 0 }));
    return log;
  }
}

/** Whose a key is, so that its messages are never with two members at once (M4). */
interface KeyHolder {
  readonly wake: () => void;
  /** Of that key, with the member. */
  inFlight: number;
  /** Of that key, for when it is free. */
  readonly behind: MainStreamMessage[];
}

/** What one group has not settled yet of the topics that it subscribed to; it starts with the earliest messages that are kept. */
export class MemoryGroup {
  private readonly waiting = new Map<string, Queue<MainStreamMessage>>();
  /** Given back, by topic, in the order of their offsets: they come again before what is new. */
  private readonly returned = new Map<string, MainStreamMessage[]>();
  private readonly unsettled = new Map<string, number>();
  private readonly members = new Map<() => void, readonly string[]>();
  private readonly holders = new Map<string, KeyHolder>();

  /** @param kept the messages that a topic keeps */
  constructor(private readonly kept: (topic: string) => readonly MainStreamMessage[]) {}

  join(wake: () => void, topics: readonly string[]): void {
    for (const topic of topics) {
      if (this.waiting.has(topic)) continue;
      this.waiting.set(topic, new Queue());
      for (const message of this.kept(topic)) this.add(message);
    }
    this.members.set(wake, topics);
  }

  leave(wake: () => void): void {
    this.members.delete(wake);
  }

  add(message: MainStreamMessage): void {
    const queue = this.waiting.get(message.topic);
    if (!queue) return;
    queue.push(message);
    this.count(message.topic, 1);
    const heard = this.wake(message.topic);
    // Nobody may ever come for them again.
    if (!heard && queue.size > MAX_KEPT && queue.shift()) this.count(message.topic, -1);
  }

  /** The next message for the member that `wake` wakes. One whose key is another member's waits until it is free. */
  take(topic: string, wake: () => void): MainStreamMessage | undefined {
    for (;;) {
      const message = this.returned.get(topic)?.shift() ?? this.waiting.get(topic)?.shift();
      if (!message || this.hold(message, wake)) return message;
    }
  }

  settle(message: MainStreamMessage): void {
    this.count(message.topic, -1);
    this.free(message);
  }

  /** It comes again with a higher rank (M3). */
  giveBack(message: MainStreamMessage): void {
    this.putBack({ ...message, rank: message.rank + 1 });
    this.free(message);
  }

  lag(topic: string): number {
    return this.waiting.has(topic) ? (this.unsettled.get(topic) ?? 0) : this.kept(topic).length;
  }

  private putBack(message: MainStreamMessage): void {
    const returned = this.returned.get(message.topic) ?? [];
    this.returned.set(message.topic, returned);
    // From the end, as most come back in their order.
    returned.splice(returned.findLastIndex(({ offset }) => Number(offset) < Number(message.offset)) + 1, 0, message);
    this.wake(message.topic);
  }

  /** @returns whether the member has it now; else it waits for its key */
  private hold(message: MainStreamMessage, wake: () => void): boolean {
    if (message.key === null) return true;
    const id = holderIdOf(message, message.key);
    const holder = this.holders.get(id);
    if (!holder) {
      this.holders.set(id, { wake, inFlight: 1, behind: [] });
      return true;
    }
    if (holder.wake !== wake || holder.behind.length > 0) {
      holder.behind.push(message);
      return false;
    }
    holder.inFlight += 1;
    return true;
  }

  private free(message: MainStreamMessage): void {
    if (message.key === null) return;
    const id = holderIdOf(message, message.key);
    const holder = this.holders.get(id)!;
    holder.inFlight -= 1;
    if (holder.inFlight > 0) return;
    this.holders.delete(id);
    for (const next of holder.behind) this.putBack(next);
  }

  private count(topic: string, change: number): void {
    this.unsettled.set(topic, (this.unsettled.get(topic) ?? 0) + change);
  }

  /** @returns whether there is anybody to wake */
  private wake(topic: string): boolean {
    let heard = false;
    for (const [wake, topics] of this.members) {
      if (!topics.includes(topic)) continue;
      heard = true;
      wake();
    }
    return heard;
  }
}

const holderIdOf = ({ topic }: MainStreamMessage, key: Buffer): string => `${topic}/${key.toString('latin1')}`;
