import { expect, it } from 'vitest';
import { RedisWriteQueues } from '../../../../lib/streams/redis/redis.write-queues';

/** Queues of words, whose steps end when told. */
function queuesOf() {
  const steps: { readonly key: string; readonly words: readonly string[]; end(error?: Error): void }[] = [];
  const queues = new RedisWriteQueues<string, number>({
    store: (key, words) =>
      new Promise((resolve, reject) => {
        steps.push({ key, words, end: (error) => (error ? reject(error) : resolve(words.length)) });
      }),
    sizeOf: (word) => ({ count: 1, bytes: word.length }),
    max: { count: 3, bytes: 10 },
  });
  return { queues, steps };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('has one step of a key under way, shared by those who came meanwhile, and the next in order', async () => {
  const { queues, steps } = queuesOf();
  const writes = ['a', 'b', 'c', 'd', 'e'].map((word) => queues.write('k', word));
  const other = queues.write('l', 'z');
  expect(steps.map(({ key, words }) => [key, ...words])).toEqual([
    ['k', 'a'],
    ['l', 'z'],
  ]);
  steps[0]!.end();
  await turn();
  expect(steps[2]!.words).toEqual(['b', 'c', 'd']);
  steps[2]!.end();
  await turn();
  expect(steps[3]!.words).toEqual(['e']);
  steps[3]!.end();
  steps[1]!.end();
  expect(await Promise.all([...writes, other])).toEqual([1, 3, 3, 3, 1, 1]);
});

it('a write beyond the limit is a step of its own', async () => {
  const { queues, steps } = queuesOf();
  for (const word of ['a', 'b', 'long enough', 'c']) void queues.write('k', word);
  for (const words of [['a'], ['b'], ['long enough'], ['c']]) {
    expect(steps.at(-1)!.words).toEqual(words);
    steps.at(-1)!.end();
    await turn();
  }
  await queues.idle();
});

it('those of a step that failed are told, and the next is made all the same', async () => {
  const { queues, steps } = queuesOf();
  const failure = new TypeError('refused');
  const first = queues.write('k', 'a').catch((error: unknown) => error);
  const second = queues.write('k', 'b');
  steps[0]!.end(failure);
  expect(await first).toBe(failure);
  steps[1]!.end();
  expect(await second).toBe(1);
});

it('is idle when everything is settled', async () => {
  const { queues, steps } = queuesOf();
  await queues.idle();
  let idle = false;
  void queues.write('k', 'a');
  void queues.write('k', 'b');
  const waiting = queues.idle().then(() => (idle = true));
  steps[0]!.end();
  await turn();
  expect(idle).toBe(false);
  steps[1]!.end();
  await waiting;
});
