import { beforeEach, describe, expect, it } from 'vitest';
import { BatchOrder, type BatchOrderOptions, type BatchSlot } from '../../../lib/consumer/batch-order';
import { ManualClock } from '../../support/manual-clock';
import { Random } from '../../support/random';

interface Begun {
  readonly tasks: readonly string[];
  readonly slot: BatchSlot;
}

describe('BatchOrder', () => {
  let clock: ManualClock;
  let begun: Begun[];
  let givenBack: string[];
  let order: BatchOrder<string>;

  const make = (options: Partial<BatchOrderOptions<string>> = {}): void => {
    order = new BatchOrder<string>({
      size: 3,
      maxWaitMs: 100,
      concurrency: 10,
      clock,
      start: (batch, slot) => begun.push({ tasks: batch.map(({ task }) => task), slot }),
      giveBack: (task) => givenBack.push(task),
      ...options,
    });
  };
  const add = (...tasks: string[]): void => tasks.forEach((task) => order.add(/^[a-z]/.test(task) ? task[0]! : null, task));
  const batches = () => begun.map(({ tasks }) => tasks.join(' '));
  const done = (index: number, ...again: string[]) => begun[index]!.slot.done(new Set(again));

  beforeEach(() => {
    clock = new ManualClock();
    begun = [];
    givenBack = [];
    make();
  });

  it('begins a batch once it is full', () => {
    add('1', '2');
    expect(batches()).toEqual([]);
    add('3', '4', '5', '6', '7');
    expect(batches()).toEqual(['1 2 3', '4 5 6']);
  });

  it('takes out what has not begun, and the rest goes on in its order', () => {
    make({ size: 2, concurrency: 1 });
    add('a1', 'b1', 'a2', 'c1', 'b2', 'c2', 'd1');
    expect(batches()).toEqual(['a1 b1']);
    expect(order.withdraw((task) => 'ac'.includes(task[0]!))).toEqual(['c1', 'c2', 'a2']);
    expect(order.withdraw((task) => 'ac'.includes(task[0]!))).toEqual([]);
    done(0);
    expect(batches()).toEqual(['a1 b1', 'b2 d1']);
  });

  it('begins what there is when the oldest has waited for long enough, by one timer', () => {
    add('1');
    clock.advance(60);
    add('2');
    expect(clock.pending).toBe(1);
    clock.advance(39);
    expect(batches()).toEqual([]);
    clock.advance(1);
    expect(batches()).toEqual(['1 2']);
    add('3');
    clock.advance(99);
    expect(batches()).toHaveLength(1);
    clock.advance(1);
    expect(batches()).toEqual(['1 2', '3']);
    expect(clock.pending).toBe(0);
  });

  it('a timer that comes early does not begin a batch that is younger', () => {
    add('1', '2', '3');
    clock.advance(50);
    add('4', '5', '6', '7');
    clock.advance(50);
    expect(batches()).toEqual(['1 2 3', '4 5 6']);
    clock.advance(50);
    expect(batches()).toEqual(['1 2 3', '4 5 6', '7']);
  });

  it('runs as many side by side as it may', () => {
    make({ concurrency: 2 });
    add('1', '2', '3', '4', '5', '6', '7', '8', '9', '10');
    expect(batches()).toEqual(['1 2 3', '4 5 6']);
    done(1);
    expect(batches()).toEqual(['1 2 3', '4 5 6', '7 8 9']);
    clock.advance(100);
    done(0);
    expect(batches()).toEqual(['1 2 3', '4 5 6', '7 8 9', '10']);
  });

  it('M4: one key is never in two batches that run at once; in one batch it keeps its order', () => {
    add('a1', 'b1', 'a2', 'a3', 'b2', 'c1', 'd1', '1');
    expect(batches()).toEqual(['a1 b1 a2', 'c1 d1 1']);
    clock.advance(1_000);
    expect(batches()).toHaveLength(2);
    done(0);
    expect(batches()).toEqual(['a1 b1 a2', 'c1 d1 1', 'a3 b2']);
  });

  it('what waited behind a batch comes before what came later', () => {
    add('a1', 'b1', 'a2', 'a3');
    clock.advance(10);
    add('c1');
    clock.advance(10);
    add('b2');
    done(0);
    expect(batches()).toEqual(['a1 b1 a2', 'a3 c1 b2']);
  });

  it('what waits behind something that comes again is given back', () => {
    add('a1', 'b1', 'a2', 'a3', 'b2');
    done(0, 'a');
    expect(givenBack).toEqual(['a3']);
    clock.advance(100);
    expect(batches()).toEqual(['a1 b1 a2', 'b2']);
  });

  it('another batch runs while one rests, which goes on before what is new', async () => {
    make({ concurrency: 1 });
    add('1', '2', '3', '4', '5', '6', '7', '8', '9');
    let end: () => void = () => {};
    let rested = false;
    const rest = begun[0]!.slot.rest(new Promise<void>((resolve) => (end = resolve))).then(() => (rested = true));
    expect(batches()).toEqual(['1 2 3', '4 5 6']);
    end();
    await Promise.resolve();
    await Promise.resolve();
    expect(rested).toBe(false);
    done(1);
    await rest;
    expect(batches()).toEqual(['1 2 3', '4 5 6']);
    done(0);
    expect(batches()).toEqual(['1 2 3', '4 5 6', '7 8 9']);
  });

  it('a flush waits for no others, and says nothing of what comes later', () => {
    add('1');
    order.flush();
    add('2');
    expect(batches()).toEqual(['1']);
  });

  it('what has not begun can be taken out: what is gathered, and what waits behind', () => {
    add('a1', 'b1', 'a2', 'a3', 'b2', 'a4', '1', '2');
    expect(batches()).toEqual(['a1 b1 a2']);
    expect(order.withdraw((task) => task.startsWith('a') || task === '1').toSorted()).toEqual(['1', 'a3', 'a4']);
    expect(order.withdraw(() => false)).toEqual([]);
    add('a5');
    done(0);
    clock.advance(100);
    expect(batches()).toEqual(['a1 b1 a2', 'b2 2 a5']);
  });

  it('closing runs what is gathered where there is a place for it, and gives back the rest', () => {
    make({ concurrency: 2 });
    add('a1', 'a2', 'a3', 'a4', '1', '2');
    order.close();
    expect(batches()).toEqual(['a1 a2 a3', '1 2']);
    expect(givenBack).toEqual(['a4']);
    add('3');
    done(0);
    expect(givenBack).toEqual(['a4', '3']);
    expect([batches().length, clock.pending]).toEqual([2, 0]);
  });

  it('M4: holds under any order of events', () => {
    const random = new Random(7);
    const choose = (below: number): number => random.below(below);
    for (let round = 0; round < 300; round++) {
      begun = [];
      make({ size: 1 + choose(5), concurrency: 1 + choose(4) });
      const running = new Map<number, Begun>();
      const handled: string[] = [];
      const counts = new Map<string, number>();
      for (let step = 0; step < 200; step++) {
        if (choose(3) > 0) {
          const key = 'abcdef'[choose(6)]!;
          counts.set(key, (counts.get(key) ?? 0) + 1);
          add(`${key}${counts.get(key)}`);
        } else if (choose(2) === 0) clock.advance(choose(80));
        const last = [...running.keys()];
        if (last.length > 0 && choose(2) === 0) {
          const index = last[choose(last.length)]!;
          running.delete(index);
          done(index);
        }
        begun.forEach((each, index) => {
          if (index < handled.length) return;
          handled.push(each.tasks.join(' '));
          const busy = new Set([...running.values()].flatMap(({ tasks }) => tasks.map((task) => task[0])));
          expect(each.tasks.filter((task) => busy.has(task[0]))).toEqual([]);
          running.set(index, each);
        });
      }
      while (running.size > 0 || clock.pending > 0) {
        for (const index of [...running.keys()]) {
          running.delete(index);
          done(index);
        }
        clock.advance(100);
        for (let index = handled.length; index < begun.length; index++) {
          handled.push('late');
          running.set(index, begun[index]!);
        }
      }
      const all = begun.flatMap(({ tasks }) => tasks);
      for (const [key, count] of counts) {
        expect(all.filter((task) => task[0] === key)).toEqual(Array.from({ length: count }, (_, index) => `${key}${index + 1}`));
      }
    }
  });
});
