import type { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import { freshName } from '../support/fresh-name';

/** Subscribes to a topic of its own, publishes to it, and resolves to what was received. */
export function roundTrip(stream: KafkaMainStream, text: string): Promise<string> {
  const topic = freshName('round-trip');
  return new Promise((resolve, reject) => {
    stream
      .subscribe({
        group: freshName('group'),
        topics: [topic],
        maxInFlight: 10,
        drainTimeoutMs: 100,
        onDelivery: (delivery) => {
          delivery.settle();
          resolve(String(delivery.message.value));
        },
      })
      .then(() => stream.publish({ topic, key: null, value: Buffer.from(text), headers: [] }))
      .catch(reject);
  });
}
