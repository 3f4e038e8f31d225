import { describe, expect, it } from 'vitest';
import { SlotMap, Slots } from '../../../lib/common/slots';
import { collectGarbage } from '../../support/collect-garbage';

describe('Slots', () => {
  it('numbers what is there, and uses numbers again', () => {
    const slots = new Slots<string>();
    const [a, b] = [slots.add('a'), slots.add('b')];
    expect([slots.get(a), slots.get(b), slots.size]).toEqual(['a', 'b', 2]);
    expect(slots.delete(a, 'a')).toBe(true);
    expect([slots.get(a), slots.size, slots.values()]).toEqual([undefined, 1, ['b']]);
    expect(slots.add('c')).toBe(a);
    expect(slots.values().toSorted()).toEqual(['b', 'c']);
  });

  it('who is gone already does not take the number from another', () => {
    const slots = new Slots<string>();
    const slot = slots.add('a');
    slots.delete(slot, 'a');
    expect(slots.delete(slot, 'a')).toBe(false);
    expect([slots.add('b'), slots.add('c')]).toEqual([slot, slot + 1]);
    expect(slots.delete(slot, 'a')).toBe(false);
    expect([slots.get(slot), slots.size]).toEqual(['b', 2]);
  });
});

describe('SlotMap', () => {
  it('is as a Map', () => {
    const map = new SlotMap<number>();
    const real = new Map<string, number>();
    for (let n = 0; n < 2_000; n++) {
      const key = String((n * 7_919) % 97);
      if (n % 3 === 0) expect(map.delete(key)).toBe(real.delete(key));
      else {
        map.set(key, n);
        // What is set anew comes last.
        real.delete(key);
        real.set(key, n);
      }
      expect([map.get(key), map.size]).toEqual([real.get(key), real.size]);
    }
    expect(map.values()).toEqual([...real.values()]);
  });

  it('what has come and gone can be collected at once, however old the map is', () => {
    const map = new SlotMap<unknown>();
    const ids: string[] = [];
    const churn = (rounds: number): void => {
      for (let n = 0; n < rounds; n++) {
        const id = `id-${n}`;
        map.set(id, new Array<number>(100).fill(n));
        ids.push(id);
        if (ids.length > 100) map.delete(ids.shift()!);
      }
    };
    churn(1_000);
    // All that is there grows old.
    collectGarbage();
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    churn(50_000);
    collectGarbage({ type: 'minor' });
    const grownBy = process.memoryUsage().heapUsed - before;
    console.log(`50,000 values of 800 bytes, 100 at a time: ${(grownBy / 1e6).toFixed(1)} MB more`);
    // With the values in its table it keeps nearly all of them.
    expect(grownBy).toBeLessThan(12_000_000);
  });
});
