import { expect, it } from 'vitest';
import { createPublishTopic, type PendingMessage, PublishQueue } from '../../../../lib/streams/kafka/kafka.publish-queue';
import { collectGarbage } from '../../../support/collect-garbage';
import { tick } from '../../../support/tick';

const topic = Object.assign(createPublishTopic('t'), { partitions: 3 });
const message = (value: Buffer): PendingMessage => ({
  topic,
  createTopic: false,
  record: { key: null, value },
  bytes: 100,
  deadline: Infinity,
  resolve: () => {},
  reject: () => {},
  done: false,
  sent: false,
});

it('what was sent is not held, though something always waits', async () => {
  const queue = new PublishQueue();
  const values: WeakRef<Buffer>[] = [];
  const push = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const value = Buffer.alloc(100);
      values.push(new WeakRef(value));
      queue.push(message(value));
    }
  };
  push(1_500);
  for (let i = 0; i < 4; i++) {
    expect(queue.take()).toHaveLength(1_000);
    push(1_000);
  }
  // What a WeakRef was asked for is held until the end of the turn.
  await tick();
  collectGarbage();
  expect([queue.size, values.filter((value) => value.deref()).length]).toEqual([1_500, 1_500]);
});

it('gives up from the front what is past its time, and goes past what is done', () => {
  const queue = new PublishQueue();
  const messages = [10, 20, 30].map((deadline) => Object.assign(message(Buffer.alloc(1)), { deadline }));
  messages.forEach((each) => queue.push(each));
  messages[0]!.done = true;
  const given: PendingMessage[] = [];
  queue.expire(20, (each) => given.push(each));
  expect(given).toEqual([messages[1]]);
  messages[1]!.done = true;
  expect(queue.take()).toEqual([messages[2]]);
  expect(queue.size).toBe(0);
});

it('large messages without a key share the partitions, so that one request takes many', () => {
  const queue = new PublishQueue();
  for (let i = 0; i < 60; i++) queue.push(Object.assign(message(Buffer.alloc(1)), { bytes: 66_000 }));
  const partitions = queue.take().map(({ record }) => record.partition!);
  const runs = partitions.filter((partition, at) => partition !== partitions[at - 1]);
  // 256 KB in a row to each, up to 900 KB for one of them.
  expect(runs.length).toBeGreaterThanOrEqual(9);
  expect(new Set(runs.slice(0, 3)).size).toBe(3);
  expect(partitions.length).toBeGreaterThan(35);
  for (const partition of [0, 1, 2]) expect(partitions.filter((each) => each === partition).length * 66_000).toBeLessThanOrEqual(900_000);
});
