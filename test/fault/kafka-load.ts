import { SILENT_LOGGER } from '../../lib/common/logger';
import { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import type { StreambackKafkaOptions } from '../../lib/streams/kafka/kafka.options';
import type { MainStreamDelivery, MainStreamSubscription } from '../../lib/streams/main-stream';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { eventually } from '../support/eventually';

export { FULL_SIZE } from '../support/report';

export function openStream(url: string, options: StreambackKafkaOptions = {}, publishTimeoutMs = 60_000): KafkaMainStream {
  return new KafkaMainStream({ url: parseStreamUrl(url), options, publishTimeoutMs, logger: SILENT_LOGGER });
}

/** Counts by the id in each payload what was lost, handled twice, and handled out of the order of its key, over all members. */
export class Ledger {
  readonly published = new Set<number>();
  readonly handled = new Map<number, number>();
  orderBreaks = 0;
  private readonly lastOfKey = new Map<string, number>();
  private readonly running = new Map<string, number>();

  get lost(): number {
    let lost = 0;
    for (const id of this.published) if (!this.handled.has(id)) lost++;
    return lost;
  }

  get duplicates(): number {
    let duplicates = 0;
    for (const count of this.handled.values()) duplicates += count - 1;
    return duplicates;
  }

  begin(key: string, id: number): void {
    const running = this.running.get(key) ?? 0;
    if (running > 0) this.orderBreaks++;
    this.running.set(key, running + 1);
    if (!this.handled.has(id) && id < (this.lastOfKey.get(key) ?? -1)) this.orderBreaks++;
    this.lastOfKey.set(key, Math.max(id, this.lastOfKey.get(key) ?? -1));
    this.handled.set(id, (this.handled.get(id) ?? 0) + 1);
  }

  end(key: string): void {
    this.running.set(key, this.running.get(key)! - 1);
  }

  async complete(timeoutMs: number): Promise<void> {
    await eventually(`all are handled, ${this.published.size} were published`, () => this.lost === 0, { timeoutMs, intervalMs: 50 }).catch(
      (error: Error) => {
        throw new Error(`${this.lost} of ${this.published.size} lost, ${this.duplicates} twice`, { cause: error });
      },
    );
  }
}

export interface Publishing {
  readonly topic: string;
  readonly from: number;
  readonly to: number;
  readonly keys?: number;
  /** Publishes on their way at once. */
  readonly concurrency?: number;
}

/** Publishes ids, each after the one before of its key is acknowledged. */
export async function publishIds(
  stream: KafkaMainStream,
  ledger: Ledger,
  { topic, from, to, keys = 20, concurrency = keys }: Publishing,
): Promise<void> {
  const lanes = Array.from({ length: concurrency }, async (_each, lane) => {
    for (let id = from + lane; id < to; id += concurrency) {
      await stream.publish({ topic, key: `key ${id % keys}`, value: Buffer.from(String(id)), headers: [] });
      ledger.published.add(id);
    }
  });
  await Promise.all(lanes);
}

/** A member that handles the messages of one key one after another, as a consumer does. */
export class Member {
  private constructor(
    readonly stream: KafkaMainStream,
    readonly subscription: MainStreamSubscription,
  ) {}

  static async join(
    stream: KafkaMainStream,
    group: string,
    topics: readonly string[],
    ledger: Ledger,
    workMs: () => number,
  ): Promise<Member> {
    const tails = new Map<string, Promise<void>>();
    const handle = async (delivery: MainStreamDelivery, key: string): Promise<void> => {
      if (delivery.revoked.aborted) return;
      ledger.begin(key, Number(String(delivery.message.value)));
      await new Promise((resolve) => setTimeout(resolve, workMs()));
      ledger.end(key);
      delivery.settle();
    };
    const subscription = await stream.subscribe({
      group,
      topics,
      maxInFlight: 100,
      drainTimeoutMs: 5_000,
      onDelivery: (delivery) => {
        const key = String(delivery.message.key);
        const tail = (tails.get(key) ?? Promise.resolve()).then(() => handle(delivery, key));
        tails.set(key, tail);
      },
    });
    return new Member(stream, subscription);
  }

  async leave(): Promise<void> {
    await this.subscription.close();
    await this.stream.close();
  }
}
