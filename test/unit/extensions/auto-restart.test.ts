import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AutoRestart, type AutoRestartOptions, StreambackModule } from '../../../lib';
import { takeProcessRole, type SupervisedWorker } from '../../../lib/common/process-role';
import { RecordingLogger } from '../../support/recording-logger';

const worker = (id: number, facts: Partial<SupervisedWorker> = {}): SupervisedWorker => ({
  id,
  counter: 0,
  patterns: ['jobs'],
  pid: id,
  status: 'serving',
  ageMs: 0,
  rssBytes: 0,
  ...facts,
});

describe('AutoRestart', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
    Logger.overrideLogger(false);
  });
  afterEach(() => void vi.useRealTimers());

  function restarting(options: AutoRestartOptions) {
    const extension = new AutoRestart(options);
    const asked: number[] = [];
    const outcomes: (boolean | Promise<boolean>)[] = [];
    const tick = async (...workers: SupervisedWorker[]): Promise<void> => {
      const replace = async (id: number): Promise<boolean> => {
        asked.push(id);
        return outcomes.shift() ?? true;
      };
      await extension.onSupervisorTick({ lag: 0, workers, replace });
    };
    return { tick, asked, outcomes };
  }

  it('replaces a worker that is too old, or too large, and no other', async () => {
    const { tick, asked } = restarting({ maxAgeMs: 5_000, maxMemoryBytes: 100, checkIntervalMs: 100 });
    await tick(worker(1, { ageMs: 5_000 }), worker(2, { rssBytes: 100 }));
    vi.advanceTimersByTime(100);
    await tick(worker(1, { ageMs: 5_001 }));
    vi.advanceTimersByTime(100);
    await tick(worker(2, { rssBytes: 101 }));
    expect(asked).toEqual([1, 2]);
  });

  it('has one limit where only one is given', async () => {
    const { tick, asked } = restarting({ maxAgeMs: 5_000, checkIntervalMs: 100 });
    await tick(worker(1, { rssBytes: 1e12 }));
    expect(asked).toEqual([]);
  });

  it('leaves alone what only starts or is already ending', async () => {
    const { tick, asked } = restarting({ maxAgeMs: 5_000 });
    await tick(worker(1, { ageMs: 9_000, status: 'starting' }), worker(2, { ageMs: 9_000, status: 'draining' }));
    expect(asked).toEqual([]);
  });

  it('one at a time, the oldest first, and one at each check', async () => {
    const { tick, asked, outcomes } = restarting({ maxAgeMs: 5_000, checkIntervalMs: 1_000 });
    const old = [worker(1, { ageMs: 6_000 }), worker(2, { ageMs: 8_000 }), worker(3, { ageMs: 7_000 })];
    let replaced = (_is: boolean): void => undefined;
    outcomes.push(new Promise((resolve) => (replaced = resolve)));
    const first = tick(...old);
    vi.advanceTimersByTime(60_000);
    await tick(...old);
    expect(asked).toEqual([2]);
    replaced(true);
    await first;
    await tick(old[0]!, old[2]!);
    expect(asked).toEqual([2, 3]);
    vi.advanceTimersByTime(999);
    await tick(old[0]!);
    expect(asked).toEqual([2, 3]);
    vi.advanceTimersByTime(1);
    await tick(old[0]!);
    expect(asked).toEqual([2, 3, 1]);
  });

  it('tries again later and later where a new worker does not come up', async () => {
    const { tick, asked, outcomes } = restarting({ maxAgeMs: 5_000, checkIntervalMs: 1_000 });
    outcomes.push(false, false, false);
    const tries: number[] = [];
    for (let second = 0; second < 10; second++) {
      await tick(worker(1, { ageMs: 6_000 }));
      if (asked.length > tries.length) tries.push(second);
      vi.advanceTimersByTime(1_000);
    }
    expect(tries).toEqual([0, 1, 3, 7, 8, 9]);
  });

  it.each<[string, object, object]>([
    ['no limit', {}, { message: 'AutoRestart has no limit: it would never do anything' }],
    ['a misspelt option', { maxAge: 1 }, { option: 'AutoRestart.maxAge' }],
    ['a share for bytes', { maxMemoryBytes: 0.5 }, { option: 'AutoRestart.maxMemoryBytes' }],
    ['an age that no worker reaches', { maxAgeMs: 10 }, { option: 'AutoRestart.maxAgeMs' }],
  ])('refuses %s', (_what, options, error) => {
    expect(() => new AutoRestart(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', ...error }));
  });

  it('says once that it does nothing where there are no workers, and nothing in a worker', async () => {
    const start = async (): Promise<RecordingLogger> => {
      const logger = new RecordingLogger();
      @Module({
        imports: [StreambackModule.forRoot({ group: 'g', streams: 'memory://' })],
        providers: [{ provide: AutoRestart, useValue: new AutoRestart({ maxAgeMs: 5_000 }) }],
      })
      class AppModule {}
      const app = await NestFactory.create(AppModule, { logger });
      await app.init();
      await app.close();
      return logger;
    };
    expect((await start()).having('AutoRestart does nothing here: there are no workers. Start the app by runWorkers')).toHaveLength(1);
    const assignment = { id: 1, counter: 0, patterns: [], listeners: [], endWithinMs: 1 };
    takeProcessRole({ kind: 'worker', assignment });
    expect((await start()).having('AutoRestart')).toEqual([]);
    takeProcessRole({ kind: 'alone' });
  });
});
