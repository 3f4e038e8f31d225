import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StreambackConfigError } from '../../../lib/common/errors';
import { MAX_ADDED_SCHEDULES } from '../../../lib/scheduler/added-schedules';
import { scheduleEntry } from '../../../lib/scheduler/schedule-entry';
import type { ScheduleOptions } from '../../../lib/scheduler/schedule-options';
import { StreambackScheduleRegistry } from '../../../lib/scheduler/schedule.registry';
import { Scheduler } from '../../../lib/scheduler/scheduler';
import { MemoryScheduleStore } from '../../../lib/streams/memory/memory.schedule-store';
import { ManualClock } from '../../support/manual-clock';
import { RecordingLogger } from '../../support/recording-logger';
import { ticks } from '../../support/tick';

const START = Date.parse('2026-11-21T10:00:05Z');
const clean: ScheduleOptions = { name: 'clean', cronTime: '*/10 * * * * *', pattern: 'clean', timeZone: 'UTC', data: { all: true } };

describe('StreambackScheduleRegistry', () => {
  let clock: ManualClock;
  let store: MemoryScheduleStore;
  let logger: RecordingLogger;
  let sent: unknown[][];
  let schedulers: Scheduler[];

  beforeEach(() => {
    clock = new ManualClock(START);
    store = new MemoryScheduleStore(clock);
    logger = new RecordingLogger();
    [sent, schedulers] = [[], []];
  });
  afterEach(() => Promise.all(schedulers.map((scheduler) => scheduler.end(0))));

  function process(...declared: Partial<ScheduleOptions>[]): StreambackScheduleRegistry {
    const scheduler = new Scheduler({
      ...{ group: 'g', store, logger, clock },
      publisher: {
        check: (pattern) => {
          if (pattern === 'bad.dlt') throw new StreambackConfigError('INVALID_PATTERN', 'reserved');
        },
        publish: async (...message) => void sent.push(message),
      },
    });
    for (const options of declared) scheduler.declare(scheduleEntry({ ...clean, ...options }, 'decorator'));
    schedulers.push(scheduler);
    return new StreambackScheduleRegistry({
      of: () => {
        scheduler.start();
        return scheduler;
      },
    });
  }

  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      clock.advance(250);
      await ticks(4);
    }
  }

  const invalid = (option: string | undefined, message: RegExp) =>
    expect.objectContaining({ code: 'INVALID_SCHEDULE', option, message: expect.stringMatching(message) });

  it('lists what code declares and what was added, with the state', async () => {
    const registry = process({ name: 'declared', description: 'for people', disabled: true });
    await registry.add(clean);
    expect(await registry.list()).toEqual([
      { ...clean, source: 'registry', paused: false, nextAt: new Date('2026-11-21T10:00:10Z') },
      { ...clean, name: 'declared', description: 'for people', disabled: true, source: 'decorator', paused: false },
    ]);
    await pass(6_000);
    expect(await registry.get('clean')).toMatchObject({
      lastAt: new Date('2026-11-21T10:00:10Z'),
      nextAt: new Date('2026-11-21T10:00:20Z'),
    });
    expect(await registry.get('nobody')).toBeUndefined();
    expect(sent).toHaveLength(1);
  });

  it('what one process adds another sends, within a second', async () => {
    const [one, other] = [process(), process({ name: 'declared', cronTime: '0 0 0 1 1 *' })];
    await other.list();
    await one.add(clean);
    await schedulers[0]!.end(0);
    await pass(5_250);
    expect(sent.map(([, pattern, data]) => [pattern, data])).toEqual([['clean', { all: true }]]);
    expect((await other.list()).map(({ name }) => name)).toEqual(['clean', 'declared']);
  });

  it('what is replaced is sent as it is now; what is removed is sent no more', async () => {
    const [one, other] = [process(), process()];
    await other.list();
    await one.add(clean);
    await pass(6_000);
    await other.add({ ...clean, data: 'new', cronTime: '*/5 * * * * *' });
    await pass(10_000);
    expect(sent.map(([, , data]) => data)).toEqual([{ all: true }, 'new', 'new']);
    await one.remove('clean');
    await pass(20_000);
    expect(sent).toHaveLength(3);
    expect(await other.list()).toEqual([]);
  });

  it('pauses and resumes, also what code declares: what is due meanwhile is passed over', async () => {
    const [one, other] = [process({}), process({})];
    await other.list();
    await one.pause('clean');
    expect(await other.get('clean')).toMatchObject({ paused: true });
    expect(await other.get('clean')).not.toHaveProperty('nextAt');
    await pass(30_000);
    expect(sent).toEqual([]);
    await other.resume('clean');
    await pass(2_000);
    expect(sent).toEqual([]);
    await pass(4_000);
    expect(sent).toHaveLength(1);
  });

  it('triggers at once, also what is paused or disabled, with an id of its own', async () => {
    const registry = process({ disabled: true, key: 'k' });
    await registry.pause('clean');
    await registry.trigger('clean');
    await registry.trigger('clean');
    expect(sent.map(([, ...message]) => message)).toEqual(Array(2).fill(['clean', { all: true }, { key: 'k', headers: undefined }]));
    expect(new Set(sent.map(([id]) => id)).size).toBe(2);
    await pass(20_000);
    expect(sent).toHaveLength(2);
  });

  it.each<[string, Partial<ScheduleOptions>, RegExp]>([
    ['an expression', { cronTime: 'soon' }, /'soon'/],
    ['a zone', { timeZone: 'Mars/Olympus' }, /Mars/],
  ])('refuses %s that cannot be read', async (_what, wrong, message) => {
    const registry = process();
    await expect(registry.add({ ...clean, ...wrong })).rejects.toEqual(invalid('schedules', message));
    expect(await registry.list()).toEqual([]);
  });

  it('refuses to add or remove what code declares, and what is not there', async () => {
    const registry = process({});
    await expect(registry.add(clean)).rejects.toEqual(invalid('schedules', /'clean' is declared in code/));
    await expect(registry.remove('clean')).rejects.toEqual(invalid('schedules', /'clean' is declared in code/));
    for (const attempt of [registry.remove('x'), registry.pause('x'), registry.resume('x'), registry.trigger('x')]) {
      await expect(attempt).rejects.toEqual(invalid('schedules', /no schedule 'x'/));
    }
  });

  it('refuses a name that is declared twice', () => {
    expect(() => process({}, {})).toThrow(
      expect.objectContaining({ code: 'INVALID_SCHEDULE', message: "Two schedules have the name 'clean'" }),
    );
  });

  it.each<[Record<string, unknown>, string]>([
    [{ crontime: '* * * * *' }, 'schedule.crontime'],
    [{ name: '' }, 'schedule.name'],
    [{ pattern: 7 }, 'schedule.pattern'],
    [{ pattern: undefined }, 'schedule.pattern'],
    [{ cronTime: undefined }, 'schedule.cronTime'],
    [{ headers: { a: 1 } }, 'schedule.headers'],
    [{ catchUp: 'some' }, 'schedule.catchUp'],
    [{ catchUpMs: -1 }, 'schedule.catchUpMs'],
  ])('refuses %j', async (wrong, option) => {
    await expect(process().add({ ...clean, ...wrong } as ScheduleOptions)).rejects.toMatchObject({ code: 'INVALID_OPTION', option });
  });

  it('refuses a pattern that nothing can be sent to, and data that JSON cannot hold', async () => {
    await expect(process().add({ ...clean, pattern: 'bad.dlt' })).rejects.toMatchObject({ code: 'INVALID_PATTERN' });
    await expect(process().add({ ...clean, data: { n: 1n } })).rejects.toMatchObject({ code: 'NOT_SERIALIZABLE' });
    expect(() => process({ pattern: 'bad.dlt' })).toThrow(expect.objectContaining({ code: 'INVALID_PATTERN' }));
  });

  it('holds so many and no more', async () => {
    const registry = process();
    for (let at = 0; at < MAX_ADDED_SCHEDULES; at += 1)
      await store.add('g', `s${at}`, JSON.stringify({ ...clean, disabled: true, name: `s${at}` }));
    await expect(registry.add(clean)).rejects.toEqual(invalid('schedules', /at most 1000/));
    await registry.add({ ...clean, name: 's7' });
    await store.add('g', 'past the limit', JSON.stringify(clean));
    expect(await registry.list()).toHaveLength(MAX_ADDED_SCHEDULES);
  });

  it.each([
    'not JSON',
    'null',
    '[]',
    '"text"',
    '{}',
    '{"cronTime":7,"pattern":"x","name":"x"}',
    '{"cronTime":"* * * * *","pattern":"bad.dlt","name":"x"}',
    '{"cronTime":"soon","pattern":"x","name":"x"}',
    '{"cronTime":"* * * * *","pattern":"x","name":"x","__proto__":{"polluted":true}}',
    '{"cronTime":"* * * * *","pattern":"x","name":"x","headers":{"a":{}}}',
    '{"cronTime":"* * * * *","pattern":"x","name":"x","timeZone":"\\u0000"}',
    '['.repeat(100_000),
  ])('passes over what somebody else has written: %.60s', async (definition) => {
    const registry = process({ name: 'declared' });
    await store.add('g', 'hostile', definition);
    expect((await registry.list()).map(({ name }) => name)).toEqual(['declared']);
    await pass(12_000);
    expect(sent).toHaveLength(1);
    expect(logger.having('hostile')).toHaveLength(1);
    expect({}).not.toHaveProperty('polluted');
  });
});
