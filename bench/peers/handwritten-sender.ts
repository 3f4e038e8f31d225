import type { Producer, TopicMessages } from 'kafkajs';

/** kafkajs groups a batch in quadratic time. */
const MAX_BATCH = 1_000;
/** What a broker takes for one partition by default. */
const MAX_BATCH_BYTES = 1_000_000;

/** One batch is on its way while the next gathers. */
export class BatchedSender {
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
