import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { ListenerStats, type ListenerStatsFigures, type StreambackContext, StreambackModule, type WorkerStats } from '../../../lib';
import { ListenerFigures } from '../../../lib/extensions/listener-figures';
import { statsLine } from '../../../lib/extensions/stats-line';
import { eventually } from '../../support/eventually';

const RESULT = { status: 'done', answers: 1, durationMs: 9, firstAnswerMs: 2, lastAnswerMs: 4 } as const;

describe('ListenerStats', () => {
  it.each<[string, object, string]>([
    ['a misspelt option', { interval: 5 }, 'ListenerStats.interval'],
    ['an interval of nothing', { intervalMs: 0 }, 'ListenerStats.intervalMs'],
    ['a log that is none', { log: 'yes' }, 'ListenerStats.log'],
  ])('refuses %s', (_what, options, option) => {
    expect(() => new ListenerStats(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option }));
  });

  it('can be listed as it is', async () => {
    @Module({ imports: [StreambackModule.forRoot({ group: 'g', streams: 'memory://' })], providers: [ListenerStats] })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
    expect(app.get(ListenerStats)).toBeInstanceOf(ListenerStats);
    await app.close();
  });

  it('reads on where the lag cannot be read, or takes for ever, and passes over what it was not told of', async () => {
    const lags = [() => Promise.reject(new Error('no broker')), () => new Promise<never>(() => undefined)];
    for (const lag of lags) {
      const told: WorkerStats[] = [];
      const stats = new ListenerStats({ intervalMs: 100, log: false });
      stats.onListen({ connection: 'default', group: 'g', worker: null, patterns: ['a'], lag, tellStats: (each) => told.push(each) });
      const context = { getConnection: () => 'other', getPattern: () => 'b' } as StreambackContext;
      stats.onConsumeBegin(context);
      stats.onConsumeEnd(context, RESULT);
      await eventually('two readings', () => told.length === 2);
      expect(told[0]!.listeners).toEqual([
        { connection: 'default', pattern: 'a', handled: 0, failed: 0, inFlight: 0, lag: null, firstAnswerMs: null, lastAnswerMs: null },
      ]);
      stats.onModuleDestroy();
    }
  });

  it('asks for the lag again only once it was told, and tells one that came late in the next reading', async () => {
    const told: WorkerStats[] = [];
    const answers: ((lags: ReadonlyMap<string, number>) => void)[] = [];
    const lag = () => new Promise<ReadonlyMap<string, number>>((resolve) => answers.push(resolve));
    const stats = new ListenerStats({ intervalMs: 100, log: false });
    stats.onListen({ connection: 'default', group: 'g', worker: null, patterns: ['a'], lag, tellStats: (each) => told.push(each) });
    await eventually('three readings', () => told.length === 3);
    expect(told.map(({ listeners }) => listeners[0]!.lag)).toEqual([null, null, null]);
    expect(answers).toHaveLength(1);
    answers[0]!(new Map([['a', 7]]));
    await eventually('the late lag', () => told.at(-1)!.listeners[0]!.lag === 7);
    await eventually('the next question', () => answers.length === 2);
    stats.onModuleDestroy();
  });

  it('measures from tick to tick, however late a lag is told', async () => {
    const told: WorkerStats[] = [];
    let asked = 0;
    // Every other one comes late: a reading that waited for it would make the next interval the shorter.
    const lag = () =>
      new Promise<ReadonlyMap<string, number>>((resolve) => setTimeout(() => resolve(new Map([['a', 1]])), ++asked % 2 ? 45 : 0));
    const stats = new ListenerStats({ intervalMs: 100, log: false });
    stats.onListen({ connection: 'default', group: 'g', worker: null, patterns: ['a'], lag, tellStats: (each) => told.push(each) });
    await eventually('six readings', () => told.length === 6);
    stats.onModuleDestroy();
    expect(told.map(({ listeners }) => listeners[0]!.lag)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(told.filter(({ intervalMs }) => intervalMs < 80)).toEqual([]);
  });

  it('counts from one reading to the next, and takes means over what was answered', () => {
    const figures = new ListenerFigures('default', 'a');
    for (let begun = 0; begun < 4; begun++) figures.begin();
    figures.end(RESULT);
    figures.end({ ...RESULT, status: 'failed', firstAnswerMs: 6, lastAnswerMs: 8 });
    figures.end({ ...RESULT, status: 'cancelled', answers: 0, firstAnswerMs: null, lastAnswerMs: null });
    const facts = { connection: 'default', pattern: 'a', inFlight: 1 };
    expect(figures.read()).toEqual({ ...facts, handled: 3, failed: 1, firstAnswerMs: 4, lastAnswerMs: 6 });
    expect(figures.read()).toEqual({ ...facts, handled: 0, failed: 0, firstAnswerMs: null, lastAnswerMs: null });
  });

  it('says the figures of all listeners of a process in one line', () => {
    const figures = (pattern: string, more: Partial<ListenerStatsFigures> = {}): ListenerStatsFigures => ({
      connection: 'default',
      pattern,
      handled: 0,
      failed: 0,
      inFlight: 0,
      lag: 0,
      firstAnswerMs: null,
      lastAnswerMs: null,
      ...more,
    });
    const facts = { worker: null, intervalMs: 5_003, rssBytes: 85_400_000, cpuRatio: 0.423, eventLoopDelayMs: 3.2 };
    const one = figures('a', { handled: 3, failed: 1, inFlight: 2, lag: 40, firstAnswerMs: 2, lastAnswerMs: 10 });
    const other = figures('b', { connection: 'audit', handled: 1, firstAnswerMs: 6, lastAnswerMs: 14 });
    expect(statsLine({ ...facts, listeners: [one, other] })).toBe(
      'a, audit:b: 4 handled in 5.0 s, 1 failed, 2 in flight, lag 40, answers after 3.0 to 11.0 ms, 85 MB, CPU 42 %, event loop late by 3 ms at most',
    );
    const many = ['a', 'b', 'c', 'd', 'e'].map((pattern) => figures(pattern));
    expect(statsLine({ ...facts, worker: { id: 7, counter: 0, patterns: [] }, listeners: [...many, figures('f', { lag: null })] })).toBe(
      'Worker 7, a, b, c and 3 more: 0 handled in 5.0 s, 0 failed, 0 in flight, lag unknown, 85 MB, CPU 42 %, event loop late by 3 ms at most',
    );
  });
});
