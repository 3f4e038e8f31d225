import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ConsumerFacts } from '../../../lib/consumer/consumer-facts';
import type { HealthSource } from '../../../lib/health/connection-watch';
import { StreambackHealth } from '../../../lib/health/streamback.health';
import { MemoryFeedbackStream } from '../../../lib/streams/memory/memory.feedback-stream';
import { MemoryMainStream } from '../../../lib/streams/memory/memory.main-stream';
import { freshName } from '../../support/fresh-name';

const facts: ConsumerFacts = {
  group: 'reports',
  failure: undefined,
  joined: true,
  closing: false,
  assignedPartitions: 1,
  inFlight: 0,
  progress: 0,
  heartbeat: undefined,
};

/** Memory streams whose main stream is asked by `ping`. */
function source(ping: () => Promise<void>, lag: () => Promise<number> = () => Promise.resolve(0)): HealthSource {
  const name = freshName('health');
  const main = Object.assign(new MemoryMainStream(name), { ping });
  const feedback = new MemoryFeedbackStream(name);
  onTestFinished(async () => {
    await main.close();
    await feedback.close();
  });
  return { main, feedback, consumer: { facts: () => facts, lag } };
}

const healthOf = (sources: Record<string, HealthSource>): StreambackHealth => new StreambackHealth(() => new Map(Object.entries(sources)));
const never = (): Promise<never> => new Promise(() => {});

describe('StreambackHealth', () => {
  it('covers every connection, and is down where one is', async () => {
    const broken = source(() => Promise.reject(new TypeError('odd')));
    const { status, connections } = await healthOf({ one: source(() => Promise.resolve()), other: broken }).ready();
    expect(status).toBe('down');
    expect(connections).toMatchObject({ one: { status: 'up', lag: 0 }, other: { status: 'down', reason: 'odd.' } });
    expect(await healthOf({}).ready()).toEqual({ status: 'up', connections: {} });
  });

  it('asks once for calls that come together or soon after, and anew later', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let asked = 0;
    const health = healthOf({ one: source(() => Promise.resolve(void (asked += 1))) });
    await Promise.all([health.ready(), health.ready(), health.live()]);
    await health.live();
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(1_001);
    await health.ready();
    expect(asked).toBe(2);
  });

  it('ends within 2 s whatever does not answer, and piles up no questions', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let asked = 0;
    let lags = 0;
    const silent = source(() => ((asked += 1), never()));
    const lagging = source(
      () => Promise.resolve(),
      () => ((lags += 1), never()),
    );
    const health = healthOf({ silent, lagging });
    for (let time = 0; time < 10; time++) {
      const looking = health.ready();
      await vi.advanceTimersByTimeAsync(2_000);
      const { connections } = await looking;
      expect(connections.silent).toMatchObject({ status: 'down', lag: null });
      expect(connections.lagging).toMatchObject({ status: 'up', lag: null });
      await vi.advanceTimersByTimeAsync(1_001);
    }
    expect({ asked, lags }).toEqual({ asked: 3, lags: 1 });
  });

  it('takes a late answer for one: the server is back', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const open: (() => void)[] = [];
    const health = healthOf({ one: source(() => new Promise((resolve) => open.push(resolve))) });
    for (let time = 0; time < 5; time++) {
      void health.ready();
      await vi.advanceTimersByTimeAsync(3_001);
    }
    const looking = health.ready();
    await vi.advanceTimersByTimeAsync(100);
    open[0]!();
    expect((await looking).status).toBe('up');
  });

  it('never throws, also where a stream of one’s own does', async () => {
    const main = Object.assign(new MemoryMainStream(freshName('health')), {
      onStatus: () => {
        throw new TypeError('kafka://user:canary-secret@host:9092 is odd');
      },
    });
    const health = healthOf({ one: { main } });
    for (const look of [health.ready(), health.live()]) {
      const { status, connections } = await look;
      expect(status).toBe('down');
      expect(connections.one!.reason).toContain('is odd');
      expect(connections.one!.reason).not.toContain('canary-secret');
    }
  });
});
