import type { Admin, ITopicConfig } from 'kafkajs';
import { eventually } from './eventually';

/**
 * Creates topics, and resolves once each of their partitions has a leader that serves it. kafkajs' own wait rejects where the
 * broker that it asks has not heard of a topic yet, and names a leader before that serves.
 */
export async function createTopics(admin: Admin, ...topics: readonly ITopicConfig[]): Promise<void> {
  await admin.createTopics({ topics: [...topics], waitForLeaders: false });
  for (const { topic } of topics)
    await eventually(`the leaders of ${topic} serve`, async () => (await admin.fetchTopicOffsets(topic)).length > 0, { timeoutMs: 20_000 });
}
