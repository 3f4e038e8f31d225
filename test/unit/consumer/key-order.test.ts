import { describe, expect, it } from 'vitest';
import { TurnLimit } from '../../../lib/common/turn-limit';
import { KeyOrder } from '../../../lib/consumer/key-order';
import { Random } from '../../support/random';

function setup(concurrency: number) {
  const running = new Map<string, () => void>();
  const started: string[] = [];
  const order = new KeyOrder<string>(concurrency, (task, slot) => {
    started.push(task);
    running.set(task, () => {
      running.delete(task);
      slot.done();
    });
  });
  return { order, running, started, end: (task: string) => running.get(task)!() };
}

describe('KeyOrder', () => {
  it('M4: runs those of one key one after another, in their order', () => {
    const { order, started, running, end } = setup(10);
    for (const task of ['a1', 'a2', 'a3', 'b1']) order.add(task[0]!, task);
    expect([...running.keys()]).toEqual(['a1', 'b1']);
    end('a1');
    expect([...running.keys()]).toEqual(['b1', 'a2']);
    end('b1');
    end('a2');
    end('a3');
    order.add('a', 'a4');
    expect(started).toEqual(['a1', 'b1', 'a2', 'a3', 'a4']);
  });

  it('runs those without a key side by side, up to the limit, in their order', () => {
    const { order, running, end } = setup(2);
    for (const task of ['1', '2', '3', '4']) order.add(null, task);
    expect([...running.keys()]).toEqual(['1', '2']);
    end('2');
    expect([...running.keys()]).toEqual(['1', '3']);
  });

  it('takes a key for a key, whatever it is', () => {
    const { order, running } = setup(10);
    for (const key of ['', '__proto__', 'null']) for (const task of ['1', '2']) order.add(key, key + task);
    expect([...running.keys()]).toEqual(['1', '__proto__1', 'null1']);
  });

  it('tasks that end at once overflow no stack', () => {
    let count = 0;
    const order = new KeyOrder<number>(1, (_task, slot) => {
      count += 1;
      queueMicrotask(() => slot.done());
    });
    for (let task = 0; task < 20_000; task++) order.add('a', task);
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => expect(count).toBe(20_000));
  });

  it('gives way to the event loop between tasks that wait for nothing', async () => {
    let [count, turns] = [0, 0];
    const busy = (ms: number): void => {
      for (const until = performance.now() + ms; performance.now() < until;);
    };
    const order = new KeyOrder<number>(
      1,
      (_task, slot) => {
        busy(3);
        count += 1;
        queueMicrotask(() => slot.done());
      },
      new TurnLimit(),
    );
    for (let task = 0; task < 100; task++) order.add(null, task);
    while (count < 100) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
    // 300 ms of work, 10 ms and a task a turn.
    expect(turns).toBeGreaterThan(15);
  });

  it('M4: keeps both at random, also where some are withdrawn, and remembers no key that is done', () => {
    const random = new Random(11);
    for (let round = 0; round < 30; round++) {
      const concurrency = 1 + random.below(8);
      const { order, running, started, end } = setup(concurrency);
      const added = new Map<string, string[]>();
      let count = 0;
      let withdrawn = 0;
      for (let step = 0; step < 500; step++) {
        if (random.next() < 0.5) {
          const key = random.pick(['a', 'b', 'c', 'd', null]);
          const task = `${key}:${count++}`;
          added.set(String(key), [...(added.get(String(key)) ?? []), task]);
          order.add(key, task);
        } else if (random.chance(0.02)) {
          const rest = random.below(3);
          const gone = order.withdraw((task) => Number(task.split(':')[1]) % 3 === rest);
          expect(gone.filter((task) => started.includes(task))).toEqual([]);
          for (const [key, tasks] of added) {
            const mine = gone.filter((task) => task.startsWith(`${key}:`));
            expect(mine).toEqual(tasks.filter((task) => mine.includes(task)));
            added.set(
              key,
              tasks.filter((task) => !mine.includes(task)),
            );
          }
          withdrawn += gone.length;
        } else if (running.size > 0) end(random.pick([...running.keys()]));
        const keys = [...running.keys()].map((task) => task.split(':')[0]).filter((key) => key !== 'null');
        expect(new Set(keys).size).toBe(keys.length);
        expect(running.size).toBeLessThanOrEqual(concurrency);
      }
      while (running.size > 0) end(random.pick([...running.keys()]));
      expect(started).toHaveLength(count - withdrawn);
      for (const [key, tasks] of added) expect(started.filter((task) => task.startsWith(`${key}:`))).toEqual(tasks);
      expect((order as unknown as { waiting: Map<string, unknown> }).waiting.size).toBe(0);
    }
  });
});
