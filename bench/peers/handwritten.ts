import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { Kafka, logLevel, type Producer, type TopicMessages } from 'kafkajs';
import { handled } from '../handled';
import type { Item, Message, Peer, Venue } from '../peer';

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

/** kafkajs groups a batch in quadratic time. */
const MAX_BATCH = 1_000;
/** What a broker takes for one partition by default. */
const MAX_BATCH_BYTES = 1_000_000;
const MAX_PUSH = 1_000;
const COMMIT_INTERVAL_MS = 1_000;

const kafkaOf = ({ brokers }: Venue): Kafka => new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });

/** One batch is on its way while the next gathers. */
class BatchedSender {
  private waiting: { topic: string; value: string; resolve: () => void; reject: (error: unknown) => void }[] = [];
  private sending = false;

  constructor(private readonly producer: Producer) {}

  send(topic: string, value: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ topic, value, resolve, reject });
      if (this.sending) return;
      this.sending = true;
      queueMicrotask(() => void this.run());
    });
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.nextSize());
      const byTopic = new Map<string, TopicMessages>();
      for (const { topic, value } of batch) {
        const group = byTopic.get(topic);
        if (group) group.messages.push({ value });
        else byTopic.set(topic, { topic, messages: [{ value }] });
      }
      await this.producer.sendBatch({ topicMessages: [...byTopic.values()] }).then(
        () => batch.forEach(({ resolve }) => resolve()),
        (error: unknown) => batch.forEach(({ reject }) => reject(error)),
      );
    }
    this.sending = false;
  }

  private nextSize(): number {
    let size = 0;
    for (let bytes = 0; size < Math.min(this.waiting.length, MAX_BATCH); size++) {
      bytes += this.waiting[size]!.value.length;
      if (bytes > MAX_BATCH_BYTES && size > 0) break;
    }
    return size;
  }
}

/** All answers of a tick for one inbox are one push. */
class Replies {
  private readonly byInbox = new Map<string, string[]>();

  constructor(private readonly redis: Redis) {}

  add(inbox: string, answer: Answer): void {
    if (this.byInbox.size === 0) setImmediate(() => this.flush());
    const waiting = this.byInbox.get(inbox);
    if (waiting) waiting.push(JSON.stringify(answer));
    else this.byInbox.set(inbox, [JSON.stringify(answer)]);
  }

  private flush(): void {
    for (const [inbox, answers] of this.byInbox) {
      for (let at = 0; at < answers.length; at += MAX_PUSH) void this.redis.rpush(inbox, ...answers.slice(at, at + MAX_PUSH));
    }
    this.byInbox.clear();
  }
}

/** kafkajs and ioredis by hand, the fast way, with none of what makes a library: no timeouts, no retries, no cancel, no backpressure. */
export const peer: Peer = {
  async startServer(venue) {
    const { topics, group } = venue;
    const redis = new Redis(venue.redisUrl);
    const replies = new Replies(redis);
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
  },

  async startClient(venue) {
    const { topics, redisUrl } = venue;
    const inbox = `handwritten_${randomUUID()}`;
    const redis = new Redis(redisUrl);
    const producer = kafkaOf(venue).producer();
    await producer.connect();
    const sender = new BatchedSender(producer);
    const pending = new Map<number, { onAnswer: (answer: Item) => void; resolve: () => void }>();
    let lastId = 0;
    void (async () => {
      for (;;) {
        const popped = await redis.blmpop(0, 1, inbox, 'LEFT', 'COUNT', 128).catch(() => undefined);
        if (!popped) return;
        for (const text of popped[1] as unknown as string[]) {
          const { id, value, end } = JSON.parse(text) as Answer;
          const request = pending.get(id);
          request?.onAnswer(value);
          if (end && pending.delete(id)) request!.resolve();
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
  },
};
