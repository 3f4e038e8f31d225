import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../lib/common/clock';
import { StreambackConfigError, StreambackConnectionError, StreambackPublishError } from '../../../lib/common/errors';
import { scheduleEntry } from '../../../lib/scheduler/schedule-entry';
import type { ScheduleOptions } from '../../../lib/scheduler/schedule-options';
import { ScheduleRunner, slotId, type SchedulePublisher } from '../../../lib/scheduler/schedule-runner';
import { Scheduler } from '../../../lib/scheduler/scheduler';
import { MemoryScheduleStore } from '../../../lib/streams/memory/memory.schedule-store';
import type { ScheduleStore } from '../../../lib/streams/schedule-store';
import { ManualClock } from '../../support/manual-clock';
import { RecordingLogger } from '../../support/recording-logger';
import { ticks } from '../../support/tick';

const START = Date.parse('2026-11-21T10:00:05Z');
const GROUP = 'g';

/** One store, and processes that share it. */
class Cluster {
  readonly clock = new ManualClock(START);
  readonly store = new MemoryScheduleStore(this.clock);
  readonly logger = new RecordingLogger();
  readonly sent: { id: string; by: string; at: string; data: unknown; key?: string | undefined }[] = [];
  private readonly schedulers: Scheduler[] = [];

  process(by: string, options: { publish?: SchedulePublisher['publish']; store?: ScheduleStore; clock?: Clock; fires?: boolean } = {}) {
    const scheduler = new Scheduler({
      group: GROUP,
      store: this.store,
      logger: this.logger,
      clock: this.clock,
      ...options,
      publisher: {
        check: (pattern) => {
          if (pattern === 'bad.dlt') throw new StreambackConfigError('INVALID_PATTERN', 'reserved');
        },
        publish: async (...message) => {
          await options.publish?.(...message);
          const [id, , data, { key }] = message;
          this.sent.push({ id, by, at: this.time, data, key });
        },
      },
    });
    this.schedulers.push(scheduler);
    return scheduler;
  }

  /** The store, with something before each call, and before its answer. */
  storeThat(before: (call: keyof ScheduleStore) => unknown, after: (call: keyof ScheduleStore) => unknown = () => {}): ScheduleStore {
    return new Proxy(this.store, {
      get: (store, call: keyof ScheduleStore) => {
        const method = store[call] as (...args: unknown[]) => Promise<unknown>;
        return async (...args: unknown[]) => {
          await before(call);
          const answer = await method.apply(store, args);
          await after(call);
          return answer;
        };
      },
    });
  }

  get time(): string {
    return new Date(this.clock.now()).toISOString().slice(14, 19);
  }

  get ids(): string[] {
    return this.sent.map(({ id }) => id);
  }

  get times(): string[] {
    return this.sent.map(({ at }) => at);
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      this.clock.advance(Math.min(250, left));
      await ticks(4);
    }
  }

  async state(name = 'tick') {
    return (await this.store.sync(GROUP, [])).schedules.get(name);
  }
}

const options = (more: Partial<ScheduleOptions> = {}): ScheduleOptions => ({
  name: 'tick',
  cronTime: '*/10 * * * * *',
  pattern: 'ticks',
  timeZone: 'UTC',
  ...more,
});
const entry = (more: Partial<ScheduleOptions> = {}, produce?: () => unknown) => scheduleEntry(options(more), 'decorator', produce);
const started = (scheduler: Scheduler, ...entries: ReturnType<typeof entry>[]): Scheduler => {
  for (const each of entries) scheduler.declare(each);
  scheduler.start();
  return scheduler;
};
const at = (time: string): number => Date.parse(`2026-11-21T10:${time}Z`);
/** The ids of the slots so many seconds after 10:00. */
const idsOf = (...seconds: number[]): string[] => seconds.map((second) => slotId(GROUP, 'tick', at('00:00') + second * 1_000));

/** A process's clock, on which it can be wrong, and frozen: its timers then fire when it is thawed. */
class ProcessClock implements Clock {
  skewMs = 0;
  private held: (() => void)[] | undefined;

  constructor(private readonly real: Clock) {}

  now(): number {
    return this.real.now() + this.skewMs;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    return this.real.setTimeout(() => (this.held ? this.held.push(callback) : callback()), delayMs);
  }

  clearTimeout(timer: unknown): void {
    this.real.clearTimeout(timer);
  }

  freeze(): void {
    this.held = [];
  }

  thaw(): void {
    const due = this.held ?? [];
    this.held = undefined;
    for (const callback of due) callback();
  }
}

describe('Scheduler', () => {
  it('sends each slot at its time, with its id, key and what the method returns', async () => {
    const cluster = new Cluster();
    let calls = 0;
    started(
      cluster.process('a'),
      entry({ key: 'k' }, () => ({ call: (calls += 1) })),
    );
    await cluster.pass(30_000);
    expect(cluster.sent).toEqual([
      { id: slotId(GROUP, 'tick', at('00:10')), by: 'a', at: '00:10', data: { call: 1 }, key: 'k' },
      { id: slotId(GROUP, 'tick', at('00:20')), by: 'a', at: '00:20', data: { call: 2 }, key: 'k' },
      { id: slotId(GROUP, 'tick', at('00:30')), by: 'a', at: '00:30', data: { call: 3 }, key: 'k' },
    ]);
  });

  it('of several processes one sends', async () => {
    const cluster = new Cluster();
    for (const by of ['a', 'b', 'c']) started(cluster.process(by), entry(), entry({ name: 'other', cronTime: '*/15 * * * * *' }));
    await cluster.pass(60_000);
    expect(cluster.times).toHaveLength(6 + 4);
    expect(new Set(cluster.sent.map(({ id }) => id)).size).toBe(10);
  });

  it('sends nothing for undefined, and null for null', async () => {
    const cluster = new Cluster();
    const values = [undefined, null, undefined];
    started(
      cluster.process('a'),
      entry({}, () => values.shift()),
    );
    await cluster.pass(30_000);
    expect(cluster.sent.map(({ at: time, data }) => [time, data])).toEqual([['00:20', null]]);
    expect((await cluster.state())!.sent).toBe(at('00:30'));
  });

  it('a method that throws sends nothing, is logged with what it threw, and is called at the next slot', async () => {
    const cluster = new Cluster();
    let calls = 0;
    started(
      cluster.process('a'),
      entry({}, () => {
        calls += 1;
        if (calls === 1) throw new TypeError('no data today');
        return calls;
      }),
    );
    await cluster.pass(20_000);
    expect(cluster.sent.map(({ at: time, data }) => [time, data])).toEqual([['00:20', 2]]);
    expect(cluster.logger.having('no data today')).toHaveLength(1);
  });

  it.each([
    ['last', [60]],
    ['all', [10, 20, 30, 40, 50, 60]],
    ['none', []],
  ] as const)('of what nobody was there for: %s', async (catchUp, seconds) => {
    const cluster = new Cluster();
    await cluster.store.sync(GROUP, ['tick']);
    cluster.clock.sleep(60_000);
    started(cluster.process('a'), entry({ catchUp }));
    await cluster.pass(1_000);
    expect(cluster.ids).toEqual(idsOf(...seconds));
    expect((await cluster.state())!.sent).toBe(seconds.length === 0 ? undefined : at('01:00'));
  });

  it('a process that starts sends nothing of before the group knew the schedule', async () => {
    const cluster = new Cluster();
    started(cluster.process('a'), entry({ catchUp: 'all' }));
    await cluster.pass(1_000);
    expect(cluster.sent).toEqual([]);
  });

  it("goes by the store's clock, whatever its own says", async () => {
    const cluster = new Cluster();
    for (const skewMs of [-30_000, 30_000, 7_000]) {
      const clock = new ProcessClock(cluster.clock);
      clock.skewMs = skewMs;
      started(cluster.process(String(skewMs), { clock }), entry());
    }
    await cluster.pass(40_000);
    expect(cluster.times).toEqual(['00:10', '00:20', '00:30', '00:40']);
  });

  it('a clock that is set while it waits changes nothing', async () => {
    const cluster = new Cluster();
    const clock = new ProcessClock(cluster.clock);
    started(cluster.process('a', { clock }), entry());
    for (const skewMs of [3_600_000, -3_600_000, 25_000, 0]) {
      clock.skewMs = skewMs;
      await cluster.pass(10_000);
    }
    expect(cluster.times).toEqual(['00:10', '00:20', '00:30', '00:40']);
  });

  it("with 'all' the window counts by the store's clock", async () => {
    const cluster = new Cluster();
    const { clock, store, logger, sent } = cluster;
    await store.sync(GROUP, ['tick']);
    clock.sleep(50_000);
    // Until it hears of the store's clock, the process takes the window to begin 40 s later than it does.
    let aheadMs = 40_000;
    const publish: SchedulePublisher['publish'] = async (id, _pattern, data) => void sent.push({ id, by: 'a', at: cluster.time, data });
    const runner = new ScheduleRunner(entry({ catchUp: 'all' }), {
      ...{ group: GROUP, store, logger, clock, publisher: { check: () => {}, publish } },
      storeNow: () => clock.now() + aheadMs,
      onStoreTime: () => (aheadMs = 0),
    });
    runner.update(START, false);
    await cluster.pass(1_000);
    expect(cluster.ids).toEqual(idsOf(10, 20, 30, 40, 50));
    await runner.end(0);
  });
});

describe('Scheduler, when a process dies or is frozen', () => {
  const never = () => new Promise<void>(() => {});

  it('another takes a claim over that ended, with the same id', async () => {
    const cluster = new Cluster();
    const clock = new ProcessClock(cluster.clock);
    started(cluster.process('dead', { clock, publish: never }), entry());
    await cluster.pass(5_000);
    clock.freeze();
    started(cluster.process('b'), entry());
    await cluster.pass(4_000);
    expect(cluster.ids).toEqual([]);
    await cluster.pass(3_000);
    expect(cluster.sent.map(({ by, id }) => [by, id])).toEqual([['b', ...idsOf(10)]]);
  });

  it('a slow method keeps its claim for as long as it takes, and no other slot is sent meanwhile', async () => {
    const cluster = new Cluster();
    let calls = 0;
    let release: (value: string) => void = () => {};
    started(
      cluster.process('slow'),
      entry({ catchUp: 'all' }, () => (calls++ === 0 ? new Promise((resolve) => (release = resolve)) : 'soon')),
    );
    await cluster.pass(6_000);
    started(
      cluster.process('b'),
      entry({ catchUp: 'all' }, () => 'by b'),
    );
    await cluster.pass(34_000);
    expect(cluster.sent).toEqual([]);
    release('by slow');
    await cluster.pass(3_000);
    expect(cluster.ids).toEqual(idsOf(10, 20, 30, 40));
    expect(cluster.sent[0]).toMatchObject({ by: 'slow', data: 'by slow' });
  });

  it('one that was frozen in its method, longer than its claim, does not send what another has sent', async () => {
    const cluster = new Cluster();
    let release: (value: string) => void = () => {};
    const clock = new ProcessClock(cluster.clock);
    started(
      cluster.process('frozen', { clock }),
      entry({}, () => new Promise((resolve) => (release = resolve))),
    );
    await cluster.pass(5_000);
    clock.freeze();
    started(cluster.process('b'), entry());
    await cluster.pass(9_000);
    expect(cluster.sent.map(({ by }) => by)).toEqual(['b']);
    release('too late');
    await ticks();
    expect(cluster.sent.map(({ by }) => by)).toEqual(['b']);
  });

  it('one that was frozen before it heard of its claim does not send what another has sent', async () => {
    const cluster = new Cluster();
    let answer: () => void = () => {};
    const clock = new ProcessClock(cluster.clock);
    let claims = 0;
    const store = cluster.storeThat(
      () => {},
      (call) => (call === 'claim' && claims++ === 0 ? new Promise<void>((resolve) => (answer = resolve)) : undefined),
    );
    started(cluster.process('frozen', { clock, store }), entry());
    await cluster.pass(5_000);
    clock.freeze();
    started(cluster.process('b'), entry());
    await cluster.pass(9_000);
    expect(cluster.sent.map(({ by }) => by)).toEqual(['b']);
    answer();
    await ticks();
    expect(cluster.sent.map(({ by }) => by)).toEqual(['b']);
  });

  it('one that was frozen while it published sends the same message again, and moves nothing back', async () => {
    const cluster = new Cluster();
    let arrive: () => void = () => {};
    const clock = new ProcessClock(cluster.clock);
    const publish = () => new Promise<void>((resolve) => (arrive = resolve));
    started(cluster.process('frozen', { clock, publish }), entry({ catchUp: 'all' }));
    await cluster.pass(5_000);
    clock.freeze();
    started(cluster.process('b'), entry({ catchUp: 'all' }));
    await cluster.pass(16_000);
    clock.thaw();
    arrive();
    await cluster.pass(250);
    expect(cluster.sent.map(({ by }) => by)).toEqual(['b', 'b', 'frozen']);
    expect(cluster.ids).toEqual(idsOf(10, 20, 10));
    expect((await cluster.state())!.after).toBe(at('00:20'));
  });
});

describe('Scheduler, in trouble', () => {
  it('a publish that fails is tried again, by anybody, with the same id', async () => {
    const cluster = new Cluster();
    let failures = 3;
    const ids: string[] = [];
    started(
      cluster.process('a', {
        publish: async (id) => {
          ids.push(id);
          if (failures-- > 0) throw new StreambackConnectionError('UNREACHABLE', 'Kafka is away');
        },
      }),
      entry(),
    );
    await cluster.pass(9_000);
    expect(ids).toHaveLength(4);
    expect(new Set(ids).size).toBe(1);
    expect(cluster.sent).toHaveLength(1);
    expect(cluster.logger.having('Kafka is away')).toHaveLength(1);
  });

  it('a process that cannot publish leaves the slot to one that can', async () => {
    const cluster = new Cluster();
    started(
      cluster.process('a', {
        publish: async () => {
          throw new StreambackConnectionError('UNREACHABLE', 'Kafka is away');
        },
      }),
      entry(),
    );
    await cluster.pass(5_500);
    started(cluster.process('b'), entry());
    await cluster.pass(2_000);
    expect(cluster.sent.map(({ by }) => by)).toEqual(['b']);
  });

  it('what can never be sent is tried once, logged, and done with', async () => {
    const cluster = new Cluster();
    let tries = 0;
    started(
      cluster.process('a', {
        publish: async () => {
          tries += 1;
          throw new StreambackPublishError('TOO_LARGE', 'too many bytes');
        },
      }),
      entry(),
    );
    await cluster.pass(14_000);
    expect(tries).toBe(1);
    expect(cluster.logger.having('too many bytes')).toHaveLength(1);
  });

  it('a store that is away is waited for, and said once; nothing is missed within the window', async () => {
    const cluster = new Cluster();
    let away = false;
    const store = cluster.storeThat(() => {
      if (away) throw new StreambackConnectionError('UNREACHABLE', 'Redis is away');
    });
    started(cluster.process('a', { store }), entry({ catchUp: 'all' }));
    await cluster.pass(2_000);
    away = true;
    await cluster.pass(30_000);
    expect(cluster.sent).toEqual([]);
    away = false;
    await cluster.pass(2_000);
    expect(cluster.ids).toEqual(idsOf(10, 20, 30));
    expect(cluster.logger.having('Redis is away')).toHaveLength(2);
  });

  it('what was sent while the store refuses is not sent again, and told when it takes it', async () => {
    const cluster = new Cluster();
    let refusals = 3;
    const store = cluster.storeThat((call) => {
      if (call === 'complete' && refusals-- > 0) throw new StreambackConnectionError('FEEDBACK_UNWRITABLE', 'Redis is full');
    });
    started(cluster.process('a', { store }), entry());
    started(cluster.process('b'), entry());
    await cluster.pass(14_000);
    expect(cluster.sent).toHaveLength(1);
    expect((await cluster.state())!.sent).toBe(at('00:10'));
  });

  it('a schedule that the store has forgotten counts from when it is known again', async () => {
    const cluster = new Cluster();
    started(cluster.process('a'), entry({ catchUp: 'all' }));
    await cluster.pass(10_000);
    await cluster.store.add(GROUP, 'tick', '{}');
    await cluster.store.remove(GROUP, 'tick');
    await cluster.pass(20_000);
    expect(cluster.times).toEqual(['00:10', '00:20', '00:30']);
  });
});

describe('Scheduler, ended', () => {
  it('claims nothing more', async () => {
    const cluster = new Cluster();
    const scheduler = started(cluster.process('a'), entry());
    await cluster.pass(6_000);
    await scheduler.end(1_000);
    const { set } = cluster.clock;
    await cluster.pass(30_000);
    expect(cluster.times).toEqual(['00:10']);
    expect(cluster.clock.set).toBe(set);
    expect(cluster.clock.pending).toBe(0);
    scheduler.start();
    expect(cluster.clock.pending).toBe(0);
  });

  it('waits for what is being sent', async () => {
    const cluster = new Cluster();
    let publish: () => void = () => {};
    const scheduler = started(cluster.process('a', { publish: () => new Promise((resolve) => (publish = resolve)) }), entry());
    await cluster.pass(6_000);
    let ended = false;
    const ending = scheduler.end(60_000).then(() => (ended = true));
    await ticks();
    expect(ended).toBe(false);
    publish();
    await ending;
    expect(cluster.sent).toHaveLength(1);
    expect((await cluster.state())!.sent).toBe(at('00:10'));
  });

  it('but not for a method that does not return', async () => {
    const cluster = new Cluster();
    const scheduler = started(
      cluster.process('a'),
      entry({}, () => new Promise(() => {})),
    );
    await cluster.pass(6_000);
    await scheduler.end(20);
    expect(cluster.sent).toEqual([]);
  });

  it('a claim that is granted after it is given back', async () => {
    const cluster = new Cluster();
    let answer: () => void = () => {};
    const store = cluster.storeThat((call) => (call === 'claim' ? new Promise<void>((resolve) => (answer = resolve)) : undefined));
    const scheduler = started(cluster.process('a', { store }), entry());
    await cluster.pass(6_000);
    const ending = scheduler.end(1_000);
    answer();
    await ending;
    expect(cluster.sent).toEqual([]);
    started(cluster.process('b'), entry());
    await cluster.pass(250);
    expect(cluster.sent.map(({ by }) => by)).toEqual(['b']);
  });

  it('a process that does not fire never claims', async () => {
    const cluster = new Cluster();
    const scheduler = started(cluster.process('worker', { fires: false }), entry());
    await cluster.pass(20_000);
    expect(cluster.sent).toEqual([]);
    expect(await scheduler.list()).toHaveLength(1);
    await scheduler.trigger('tick');
    expect(cluster.sent).toHaveLength(1);
  });
});
