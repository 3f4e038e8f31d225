import type { Venue } from '../peer';
import { kafkaOf, type Request } from './handwritten-wire';

const COMMIT_INTERVAL_MS = 1_000;

/** Resolves when it consumes, to a function that ends it. Whatever is handed to `handle` counts as handled. */
export async function startConsumer(venue: Venue, handle: (topic: string, request: Request) => void): Promise<() => Promise<void>> {
  const { topics, group } = venue;
  const consumer = kafkaOf(venue).consumer({ groupId: group, maxWaitTimeInMs: 200 });
  const offsets = new Map<string, { topic: string; partition: number; offset: string }>();
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
    await consumer.disconnect();
  };
}
