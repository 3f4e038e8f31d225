import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { handled } from '../handled';
import type { Item, Message, Peer, PeerClient, Venue } from '../peer';
import { BatchedSender } from './handwritten-sender';

/** What crosses Kafka, and what crosses Redis; the last answer of a request ends it. */
interface Request {
  readonly message: Message;
  readonly request?: { readonly id: number; readonly inbox: string };
}
interface Answer {
  readonly id: number;
  readonly value: Item;
  readonly end: boolean;
}

const MAX_PUSH = 1_000;
const MAX_POP = 128;
const COMMIT_INTERVAL_MS = 1_000;

const kafkaOf = ({ brokers }: Venue): Kafka => new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });

/** How answers become elements of the inbox list. */
export interface Form {
  /** All answers of a tick are one element, up to {@link MAX_PUSH}; else each is one. */
  readonly packed: boolean;
}

/** All answers of a tick for one inbox are one push. */
class Replies {
  private readonly byInbox = new Map<string, string[]>();

  constructor(
    private readonly redis: Redis,
    private readonly form: Form,
  ) {}

  add(inbox: string, answer: Answer): void {
    if (this.byInbox.size === 0) setImmediate(() => this.flush());
    const waiting = this.byInbox.get(inbox);
    if (waiting) waiting.push(JSON.stringify(answer));
    else this.byInbox.set(inbox, [JSON.stringify(answer)]);
  }

  private flush(): void {
    for (const [inbox, answers] of this.byInbox) {
      for (let at = 0; at < answers.length; at += MAX_PUSH) {
        const some = answers.slice(at, at + MAX_PUSH);
        if (this.form.packed) void this.redis.rpush(inbox, `[${some.join(',')}]`);
        else void this.redis.rpush(inbox, ...some);
      }
    }
    this.byInbox.clear();
  }
}

async function startServer(venue: Venue, form: Form): Promise<() => Promise<unknown>> {
  const { topics, group } = venue;
  const redis = new Redis(venue.redisUrl);
  const replies = new Replies(redis, form);
  const consumer = kafkaOf(venue).consumer({ groupId: group, maxWaitTimeInMs: 200 });
  const offsets = new Map<string, { topic: string; partition: number; offset: string }>();
  const handle = (topic: string, { message, request }: Request): void => {
    handled.note(message);
    if (!request) return;
    const { id, inbox } = request;
    if (topic === topics.calls) return replies.add(inbox, { id, value: message, end: true });
    for (const item of handled.itemsOf(message)) replies.add(inbox, { id, value: item, end: item.id === message.items! - 1 });
  };
  await consumer.connect();
  await consumer.subscribe({ topics: [topics.events, topics.calls, topics.streams], fromBeginning: true });
  await consumer.run({
    // kafkajs would await a commit after each batch, which takes longer than all the rest of a call.
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { value } of batch.messages) handle(batch.topic, JSON.parse(value!.toString()) as Request);
      const offset = String(Number(batch.lastOffset()) + 1);
      offsets.set(`${batch.topic}/${batch.partition}`, { topic: batch.topic, partition: batch.partition, offset });
    },
  });
  const commit = (): Promise<void> => consumer.commitOffsets([...offsets.values()]).catch(() => {});
  const timer = setInterval(() => void commit(), COMMIT_INTERVAL_MS);
  return async () => {
    clearInterval(timer);
    await commit();
    await Promise.all([consumer.disconnect(), redis.quit()]);
  };
}

async function startClient(venue: Venue, { packed }: Form): Promise<PeerClient> {
  const { topics, redisUrl } = venue;
  const inbox = `handwritten_${randomUUID()}`;
  const redis = new Redis(redisUrl);
  const producer = kafkaOf(venue).producer();
  await producer.connect();
  const sender = new BatchedSender(producer);
  const pending = new Map<number, { onAnswer: (answer: Item) => void; resolve: () => void }>();
  let lastId = 0;
  const take = ({ id, value, end }: Answer): void => {
    const request = pending.get(id);
    request?.onAnswer(value);
    if (end && pending.delete(id)) request!.resolve();
  };
  void (async () => {
    for (;;) {
      const popped = await redis.blmpop(0, 1, inbox, 'LEFT', 'COUNT', MAX_POP).catch(() => undefined);
      if (!popped) return;
      for (const element of popped[1] as unknown as string[]) {
        if (packed) (JSON.parse(element) as Answer[]).forEach(take);
        else take(JSON.parse(element) as Answer);
      }
    }
  })();
  return {
    emit: (message) => sender.send(topics.events, JSON.stringify({ message } satisfies Request)),
    ask: (kind, message, onAnswer) =>
      new Promise((resolve, reject) => {
        const id = lastId++;
        pending.set(id, { onAnswer, resolve });
        sender.send(topics[kind], JSON.stringify({ message, request: { id, inbox } } satisfies Request)).catch(reject);
      }),
    async close() {
      redis.disconnect();
      await producer.disconnect();
    },
  };
}

/** kafkajs and ioredis by hand, the fast way, with none of what makes a library: no timeouts, no retries, no cancel, no backpressure. */
export function handwrittenPeer(form: Form): Peer {
  return {
    startServer: (venue) => startServer(venue, form),
    startClient: (venue) => startClient(venue, form),
  };
}
