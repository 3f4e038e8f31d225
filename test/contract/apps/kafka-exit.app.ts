import { openStream } from '../../fault/kafka-load';

/** Publishes, consumes and closes; then nothing is left to do, and the process ends by itself. */
async function main(url: string, topic: string): Promise<void> {
  const stream = openStream(url, { partitions: 1 });
  await stream.connect();
  let received!: () => void;
  const delivered = new Promise<void>((resolve) => (received = resolve));
  const subscription = await stream.subscribe({
    group: `${topic}.group`,
    topics: [topic],
    maxInFlight: 10,
    drainTimeoutMs: 1_000,
    onDelivery: (delivery) => {
      delivery.settle();
      received();
    },
  });
  await stream.publish({ topic, key: null, value: Buffer.from('x'), headers: [] });
  await delivered;
  await subscription.close();
  await stream.close();
  process.send!({ type: 'closed' });
}

void main(process.argv[2]!, process.argv[3]!);
