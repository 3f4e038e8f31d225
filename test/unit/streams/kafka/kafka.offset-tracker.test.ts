import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../../support/collect-garbage';
import { tick } from '../../../support/tick';
import { OffsetTracker } from '../../../../lib/streams/kafka/kafka.offset-tracker';

interface Entry {
  offset: number;
  sequence: number;
}

const entry = (offset: number): Entry => ({ offset, sequence: -1 });

describe('OffsetTracker', () => {
  it('commits the contiguous settled prefix only (M5)', () => {
    const tracker = new OffsetTracker<Entry>(10);
    const entries = [10, 11, 12, 15].map(entry);
    entries.forEach((each) => tracker.add(each));
    expect(tracker.commitPoint.offset).toBe(10);
    tracker.settle(entries[1]!);
    tracker.settle(entries[2]!);
    expect(tracker.commitPoint.offset).toBe(10);
    tracker.settle(entries[0]!);
    expect(tracker.commitPoint.offset).toBe(15);
    tracker.settle(entries[3]!);
    expect(tracker.commitPoint.offset).toBe(16);
    expect(tracker.unsettled).toBe(0);
  });

  it('counts what is ahead of the commit, settled or not', () => {
    const tracker = new OffsetTracker<Entry>(0);
    const entries = Array.from({ length: 5 }, (_each, index) => entry(index));
    entries.forEach((each) => tracker.add(each));
    tracker.settle(entries[0]!);
    tracker.settle(entries[1]!);
    expect(tracker.ahead).toBe(5);
    tracker.committed(tracker.commitPoint);
    expect(tracker.ahead).toBe(3);
  });

  it('does not count an entry twice', () => {
    const tracker = new OffsetTracker<Entry>(0);
    const [first, second] = [entry(0), entry(1)];
    tracker.add(first);
    tracker.add(second);
    tracker.settle(first);
    tracker.settle(first);
    expect(tracker.unsettled).toBe(1);
  });

  it('puts a message that is delivered again in the place of the first delivery', () => {
    const tracker = new OffsetTracker<Entry>(0);
    const entries = [0, 3, 4, 9].map(entry);
    entries.forEach((each) => tracker.add(each));
    const again = entry(4);
    tracker.replace(entries[2]!, again);
    expect([...tracker.entries()]).toEqual([entries[0], entries[1], again, entries[3]]);
    for (const each of [entries[0]!, entries[1]!, entries[3]!]) tracker.settle(each);
    expect(tracker.commitPoint.offset).toBe(4);
    tracker.settle(again);
    expect(tracker.commitPoint.offset).toBe(10);
  });

  it('agrees with a plain model over random orders', () => {
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const tracker = new OffsetTracker<Entry>(0);
    const all: Entry[] = [];
    const settled = new Set<Entry>();
    for (let step = 0; step < 20_000; step++) {
      if (random() < 0.5 || tracker.unsettled === 0) {
        const each = entry((all.at(-1)?.offset ?? -1) + 1 + Math.floor(random() * 3));
        all.push(each);
        tracker.add(each);
      } else {
        const open = [...tracker.entries()];
        const each = open[Math.floor(random() * Math.min(open.length, 200))]!;
        tracker.settle(each);
        settled.add(each);
      }
      if (step % 500 === 0) {
        const first = all.find((each) => !settled.has(each));
        expect(tracker.commitPoint.offset).toBe(first ? first.offset : tracker.next);
      }
    }
  });

  it('lets go of what is settled behind one that does not end', async () => {
    const tracker = new OffsetTracker<Entry>(0);
    const stuck = entry(0);
    tracker.add(stuck);
    const settled = Array.from({ length: 1_000 }, (_each, index) => {
      const each = entry(index + 1);
      tracker.add(each);
      tracker.settle(each);
      return new WeakRef(each);
    });
    await tick();
    collectGarbage();
    const kept = settled.filter((each) => each.deref()).length;
    console.log('kept of 1,000 that are settled behind one that is not:', kept);
    expect(kept).toBeLessThan(10);
    expect(tracker.commitPoint.offset).toBe(0);
    tracker.settle(stuck);
    expect(tracker.commitPoint.offset).toBe(1_001);
  });

  it('costs the same with 10,000 open behind one that does not end', () => {
    const tracker = new OffsetTracker<Entry>(0);
    const stuck = entry(0);
    tracker.add(stuck);
    const window: Entry[] = [];
    const began = process.hrtime.bigint();
    for (let offset = 1; offset <= 200_000; offset++) {
      const each = entry(offset);
      tracker.add(each);
      window.push(each);
      if (window.length > 10_000) tracker.settle(window[window.length - 10_000]!);
    }
    // A scan of what is open would take minutes.
    expect(Number(process.hrtime.bigint() - began) / 1e6).toBeLessThan(2_000);
    expect(tracker.commitPoint.offset).toBe(0);
  });
});
