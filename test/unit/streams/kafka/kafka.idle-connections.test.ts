import { Kafka } from 'kafkajs';
import { afterEach, expect, it, vi } from 'vitest';
import { restWhenIdle } from '../../../../lib/streams/kafka/kafka.idle-connections';

interface Queue {
  readonly pending: unknown[];
  throttleCheckTimeoutId: unknown;
  throttledUntil: number;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
  push(request: unknown): void;
}

interface Cluster {
  readonly connectionPoolBuilder: { build(): Promise<{ pool: { requestQueue: Queue }[] }> };
}

const clients = (): Kafka => new Kafka({ brokers: ['127.0.0.1:1'], logLevel: 0 });

async function queueOf(kafka: Kafka): Promise<Queue> {
  const symbol = Object.getOwnPropertySymbols(kafka).find(({ description }) => description?.endsWith(':createCluster'));
  const cluster = (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol!]!({});
  return (await cluster.connectionPoolBuilder.build()).pool[0]!.requestQueue;
}

afterEach(() => void vi.useRealTimers());

it('does not look for waiting requests where there are none; kafkajs does so for ever', async () => {
  vi.useFakeTimers();
  const [theirs, ours] = [await queueOf(clients()), await queueOf(restWhenIdle(clients()))];
  theirs.checkPendingRequests();
  ours.checkPendingRequests();
  expect([theirs.throttleCheckTimeoutId === null, ours.throttleCheckTimeoutId === null]).toEqual([false, true]);
});

it('sends what waits because the broker throttles', async () => {
  vi.useFakeTimers();
  const queue = await queueOf(restWhenIdle(clients()));
  queue.throttledUntil = Date.now() + 500;
  const sent: number[] = [];
  const entry = (correlationId: number) => ({
    correlationId,
    apiName: 'Fetch',
    apiKey: 1,
    apiVersion: 11,
    resolve: () => {},
    reject: () => {},
  });
  for (const id of [1, 2]) queue.push({ entry: entry(id), expectResponse: true, sendRequest: () => sent.push(id) });
  await vi.advanceTimersByTimeAsync(400);
  expect([sent, queue.pending.length]).toEqual([[], 2]);
  await vi.advanceTimersByTimeAsync(200);
  expect([sent, queue.throttleCheckTimeoutId]).toEqual([[1, 2], null]);
});

it('leaves alone a kafkajs that looks different', () => {
  const other = {} as Kafka;
  expect(restWhenIdle(other)).toBe(other);
});
