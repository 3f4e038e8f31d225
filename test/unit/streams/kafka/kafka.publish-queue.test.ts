import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { createPublishTopic, type PendingMessage, PublishQueue } from '../../../../lib/streams/kafka/kafka.publish-queue';

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
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
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
  await new Promise(setImmediate);
  collect();
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
