import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Producer } from 'kafkajs';
import type { Item, Message, Venue } from '../peer';
import { BatchedSender } from './handwritten-sender';
import { kafkaOf, type Answer, type Form, type Request } from './handwritten-wire';

const MAX_POP = 128;

/** Told of each answer, and whether it is the last. */
type OnAnswer = (value: Item, end: boolean) => void;

/** Sends through Kafka, and reads the answers from a list of its own. */
export class Requester {
  private readonly inbox = `handwritten_${randomUUID()}`;
  private readonly pending = new Map<number, OnAnswer>();
  private readonly sender: BatchedSender;
  private readonly redis: Redis;
  private lastId = 0;

  private constructor(
    private readonly producer: Producer,
    { redisUrl }: Venue,
    { packed }: Form,
  ) {
    this.sender = new BatchedSender(producer);
    this.redis = new Redis(redisUrl);
    void this.read(packed);
  }

  static async start(venue: Venue, form: Form): Promise<Requester> {
    const producer = kafkaOf(venue).producer();
    await producer.connect();
    return new Requester(producer, venue, form);
  }

  /** Resolves when the broker has it. */
  emit(topic: string, message: Message): Promise<void> {
    return this.sender.send(topic, JSON.stringify({ message } satisfies Request));
  }

  /** Returns the request's number, to be forgotten by. */
  ask(topic: string, message: Message, onAnswer: OnAnswer, onError: (error: unknown) => void): number {
    const id = this.lastId++;
    this.pending.set(id, onAnswer);
    this.sender.send(topic, JSON.stringify({ message, request: { id, inbox: this.inbox } } satisfies Request)).catch(onError);
    return id;
  }

  /** What comes for it from now on is dropped. */
  forget(id: number): void {
    this.pending.delete(id);
  }

  close(): Promise<void> {
    this.redis.disconnect();
    return this.producer.disconnect();
  }

  private async read(packed: boolean): Promise<void> {
    for (;;) {
      const popped = await this.redis.blmpop(0, 1, this.inbox, 'LEFT', 'COUNT', MAX_POP).catch(() => undefined);
      if (!popped) return;
      for (const element of popped[1] as unknown as string[]) {
        if (packed) for (const answer of JSON.parse(element) as Answer[]) this.take(answer);
        else this.take(JSON.parse(element) as Answer);
      }
    }
  }

  private take({ id, value, end }: Answer): void {
    const onAnswer = this.pending.get(id);
    if (end) this.pending.delete(id);
    onAnswer?.(value, end);
  }
}
