import { describe, expect, it } from 'vitest';
import { Queue } from '../../../lib/common/queue';
import { Random } from '../../support/random';

describe('Queue', () => {
  it('does what an array does, at random', () => {
    const random = new Random(1);
    const queue = new Queue<number>();
    const array: number[] = [];
    for (let step = 0; step < 50_000; step++) {
      // Long runs of each kind, so that it both grows and runs empty.
      if (random.next() < (Math.floor(step / 5_000) % 2 === 0 ? 0.8 : 0.2)) {
        queue.push(step);
        array.push(step);
      } else expect(queue.shift()).toBe(array.shift());
      if (queue.size !== array.length) expect(queue.size).toBe(array.length);
      if (random.next() < 0.002) {
        expect([...queue]).toEqual(array);
        const odd = (item: number): boolean => item % 3 === 1;
        expect(queue.remove(odd)).toEqual(array.filter(odd));
        array.splice(0, array.length, ...array.filter((item) => !odd(item)));
      }
      if (random.next() < 0.0002) {
        queue.clear();
        array.length = 0;
      }
    }
    expect(queue.size).toBe(array.length);
  });

  it('does not hold what has left it', async () => {
    const queue = new Queue<object>();
    for (let index = 0; index < 100_000; index++) queue.push({ index });
    for (let index = 0; index < 99_999; index++) queue.shift();
    expect((queue as unknown as { items: unknown[] }).items.length).toBeLessThan(3_000);
    expect(queue.size).toBe(1);
    expect((queue as unknown as { items: unknown[] }).items.filter((item) => item !== undefined)).toHaveLength(1);
  });
});
