import type { KafkaMessage } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StreambackAbortError } from '../../../../lib/common/errors';
import { KafkaDispatcher } from '../../../../lib/streams/kafka/kafka.dispatcher';
import { KafkaPartition } from '../../../../lib/streams/kafka/kafka.partition';
import type { MainStreamDelivery } from '../../../../lib/streams/main-stream';

const messages = (from: number, to: number): KafkaMessage[] =>
  Array.from({ length: to - from }, (_each, index) => {
    const offset = String(from + index);
    return { offset, key: null, value: Buffer.from(offset), timestamp: '1', attributes: 0, headers: {} } as KafkaMessage;
  });

class Bench {
  readonly all: MainStreamDelivery[] = [];
  readonly paused: string[] = [];
  near = 0;
  readonly dispatcher: KafkaDispatcher;

  constructor({ maxInFlight = 10, maxUncommitted = 100, settle = false } = {}) {
    this.dispatcher = new KafkaDispatcher({
      maxInFlight,
      topics: 1,
      maxUncommitted,
      rank: () => 7,
      onCommitNear: () => this.near++,
      setPaused: (partition, paused) => {
        partition.paused = paused;
        this.paused.push(`${partition.partition} ${paused ? 'paused' : 'resumed'}`);
      },
      onDelivery: (delivery) => {
        this.all.push(delivery);
        if (settle) delivery.settle();
      },
    });
  }

  partition(id = 0, offset = 0): KafkaPartition {
    const partition = new KafkaPartition('t', id, this.dispatcher);
    partition.start(offset, offset);
    partition.paused = false;
    this.dispatcher.add(partition);
    return partition;
  }

  fetch(partition: KafkaPartition, from: number, to: number): void {
    expect(partition.accept(from, messages(from, to), to)).toBe('taken');
    this.dispatcher.onFetched(partition, to - from);
  }

  get offsets(): number[] {
    return this.all.map(({ message }) => Number(message.offset));
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_each, index) => from + index);

describe('KafkaDispatcher', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('hands over up to maxInFlight, and one for each that is settled (M7)', () => {
    const bench = new Bench({ maxInFlight: 3 });
    bench.fetch(bench.partition(), 0, 10);
    expect(bench.offsets).toEqual([0, 1, 2]);
    bench.all[1]!.settle();
    expect(bench.offsets).toEqual([0, 1, 2, 3]);
    expect(bench.all[0]!.message.rank).toBe(7);
  });

  it('pauses a partition of which much waits, and resumes it when little does', () => {
    const bench = new Bench({ maxInFlight: 10 });
    bench.fetch(bench.partition(), 0, 100);
    expect(bench.paused).toEqual(['0 paused']);
    for (let next = 0; next < 45; next++) bench.all[next]!.settle();
    expect(bench.paused).toEqual(['0 paused']);
    for (let next = 45; next < 60; next++) bench.all[next]!.settle();
    expect(bench.paused).toEqual(['0 paused', '0 resumed']);
  });

  it('lets one partition that is ahead of its commit by maxUncommitted wait, and no other', () => {
    const bench = new Bench({ maxInFlight: 1_000, maxUncommitted: 20, settle: true });
    const [first, second] = [bench.partition(0), bench.partition(1)];
    bench.fetch(first, 0, 50);
    bench.fetch(second, 0, 10);
    expect(bench.all).toHaveLength(30);
    expect(bench.near).toBeGreaterThan(0);
    first.onCommitted(first.commitPoint);
    bench.dispatcher.pump();
    expect(bench.all).toHaveLength(50);
  });

  it('a commit that was on its way when a partition began anew says nothing of what it holds now', () => {
    const bench = new Bench({ settle: true });
    const partition = bench.partition();
    bench.fetch(partition, 0, 50);
    const point = partition.commitPoint;
    partition.start(0, -1);
    partition.onCommitted(point);
    expect(partition.committed).toBe(-1);
    bench.fetch(partition, 0, 10);
    expect({ ahead: partition.ahead, commitDue: partition.commitDue }).toEqual({ ahead: 10, commitDue: true });
    partition.onCommitted(partition.commitPoint);
    expect({ ahead: partition.ahead, commitDue: partition.commitDue }).toEqual({ ahead: 0, commitDue: false });
  });

  it('hands over again what was released, in its order, before what follows in its partition', () => {
    const bench = new Bench({ maxInFlight: 3 });
    const partition = bench.partition();
    bench.fetch(partition, 0, 6);
    bench.all[2]!.release();
    bench.all[0]!.release();
    bench.all[1]!.settle();
    expect(bench.offsets).toEqual([0, 1, 2]);
    vi.advanceTimersByTime(1_000);
    expect(bench.offsets).toEqual([0, 1, 2, 0, 2, 3]);
    for (const delivery of bench.all.slice(3)) delivery.settle();
    for (const delivery of bench.all.slice(6)) delivery.settle();
    expect(bench.offsets).toEqual([0, 1, 2, 0, 2, 3, 4, 5]);
    expect(partition.commitPoint.offset).toBe(6);
  });

  it('hands over nothing while held, and nothing after stop', () => {
    const bench = new Bench();
    bench.dispatcher.hold(true);
    bench.fetch(bench.partition(), 0, 3);
    expect(bench.all).toEqual([]);
    bench.dispatcher.hold(false);
    expect(bench.all).toHaveLength(3);
    bench.dispatcher.stop();
    bench.all[0]!.release();
    vi.advanceTimersByTime(1_000);
    expect(bench.all).toHaveLength(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('makes room when a partition goes, and passes over what is settled of it later', () => {
    const bench = new Bench({ maxInFlight: 2 });
    const [gone, kept] = [bench.partition(0), bench.partition(1)];
    bench.fetch(gone, 0, 2);
    bench.fetch(kept, 0, 5);
    expect(bench.all).toHaveLength(2);
    const [first] = bench.all;
    gone.state = 'gone';
    bench.dispatcher.remove(gone);
    gone.abort(new StreambackAbortError('REVOKED', 'gone'));
    expect(first!.revoked.aborted).toBe(true);
    expect(bench.all).toHaveLength(4);
    first!.settle();
    expect(bench.all).toHaveLength(4);
  });
});

describe('KafkaPartition', () => {
  it('does not believe a jump at once: it may be a fetch from before a seek', () => {
    const partition = new Bench().partition(0, 100);
    expect(partition.accept(150, messages(150, 160), 160)).toBe(100);
    expect(partition.accept(150, messages(150, 160), 160)).toBe('taken');
    expect(partition.position).toBe(160);
  });

  it('tells that the log has begun anew', () => {
    expect(new Bench().partition(0, 100).accept(0, messages(0, 5), 5)).toBe('reset');
  });

  it('commits behind control records and gaps once all before them is settled', () => {
    const bench = new Bench({ settle: true });
    const partition = bench.partition();
    expect(partition.accept(0, messages(0, 3), 9)).toBe('taken');
    bench.dispatcher.onFetched(partition, 3);
    expect(partition.commitPoint.offset).toBe(9);
  });

  it('reads again what it had not handed over when it was asked back', () => {
    const bench = new Bench({ maxInFlight: 4 });
    const partition = bench.partition();
    bench.fetch(partition, 0, 10);
    partition.state = 'draining';
    partition.dropQueue();
    expect(partition.position).toBe(4);
    bench.all.forEach((delivery) => delivery.settle());
    expect(bench.offsets).toEqual(range(0, 4));
    expect(partition.commitPoint.offset).toBe(4);
  });
});
