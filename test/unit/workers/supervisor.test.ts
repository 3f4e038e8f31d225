import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { SupervisedServer, SupervisorTick, WorkerAssignment } from '../../../lib/common/process-role';
import { scaleOf } from '../../../lib/workers/scale';
import { Supervisor, type SupervisorOptions } from '../../../lib/workers/supervisor';
import { ManualClock } from '../../support/manual-clock';
import { RecordingLogger } from '../../support/recording-logger';

/** A process that does what it is told, when it is told. */
class FakeChild extends EventEmitter {
  readonly pid = 1;
  readonly signals: string[] = [];
  isGone = false;

  constructor(readonly assignment: WorkerAssignment) {
    super();
  }

  kill(signal: string): boolean {
    this.signals.push(signal);
    if (signal === 'SIGKILL') this.exit(null, signal);
    return true;
  }

  say(state: 'starting' | 'serving' | 'failed', more: object = {}): void {
    if (!this.isGone) this.emit('message', { streamback: 'worker', state, rssBytes: 1, ...more });
  }

  exit(code: number | null, signal: string | null = null): void {
    if (this.isGone) return;
    this.isGone = true;
    this.emit('exit', code, signal);
  }
}

interface Told {
  lag: number | Error | Promise<number>;
  partitions: number;
}

function supervised(options: Partial<SupervisorOptions> & { processes?: unknown; servers?: readonly Partial<SupervisedServer>[] } = {}) {
  const { processes, servers = [{}], ...rest } = options;
  const [clock, logger] = [new ManualClock(), new RecordingLogger()];
  const told: Told = { lag: 0, partitions: 4 };
  const children: FakeChild[] = [];
  const supervisor = new Supervisor({
    pool: scaleOf(1, 'pool')!,
    rescaleIntervalMs: 1_000,
    minWorkerAgeMs: 10_000,
    maxTotalMemoryBytes: Infinity,
    maxBlockedMs: 30_000,
    clock,
    logger,
    fork: (assignment) => {
      const child = new FakeChild(assignment);
      children.push(child);
      return child as unknown as ChildProcess;
    },
    ...rest,
  });
  for (const server of servers) {
    supervisor.supervise({
      connection: 'default',
      drainTimeoutMs: 8_000,
      listeners: [{ pattern: 'jobs', topic: 'jobs', processes }],
      prepare: () => Promise.resolve(),
      tellsLag: true,
      lag: async () => {
        const lag = await told.lag;
        if (lag instanceof Error) throw lag;
        return lag;
      },
      partitions: () => Promise.resolve(told.partitions),
      ...server,
    });
  }
  const alive = () => children.filter(({ isGone }) => !isGone);
  /** Lets so many checks pass, in which all live workers beat. */
  const checks = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done++) {
      for (const child of alive()) child.say('serving');
      clock.advance(1_000);
      await turn();
      await turn();
    }
  };
  const start = async (): Promise<void> => {
    supervisor.start();
    await turn();
    await turn();
  };
  return { supervisor, clock, logger, told, children, alive, checks, start };
}

describe('the supervisor', () => {
  it('follows the lag up at once, and down when less has been wanted for a while, by one decision each', async () => {
    const { told, children, alive, checks, start, logger } = supervised({
      processes: [
        [20, 1],
        [1_000, 4],
      ],
    });
    await start();
    expect(children).toHaveLength(1);
    await checks(12);
    told.lag = 500;
    await checks(1);
    expect(alive()).toHaveLength(4);
    await checks(12);
    told.lag = 0;
    await checks(2);
    told.lag = 500;
    await checks(1);
    told.lag = 0;
    await checks(2);
    expect(children.flatMap(({ signals }) => signals)).toEqual([]);
    await checks(1);
    expect(children.map(({ signals }) => signals)).toEqual([[], ['SIGTERM'], ['SIGTERM'], ['SIGTERM']]);
    expect(logger.having('started')).toEqual([
      "log 'jobs': 1 worker started at a lag of 0, 1 in all",
      "log 'jobs': 3 workers started at a lag of 500, 4 in all",
    ]);
    expect(logger.having('left')).toEqual(["log 'jobs': 3 workers ended at a lag of 0, 1 left"]);
  });

  it('gives each worker its listeners, an id that is new and a counter that is free', async () => {
    const { children, alive, checks, start } = supervised({ processes: 2 });
    await start();
    alive()[0]!.exit(1);
    await checks(2);
    expect(children.map(({ assignment }) => [assignment.id, assignment.counter])).toEqual([
      [1, 0],
      [2, 1],
      [3, 0],
    ]);
    expect(children[0]!.assignment).toMatchObject({ patterns: ['jobs'], listeners: [['default', 'jobs']], endWithinMs: 18_000 });
  });

  it('has listeners without processes of their own share one pool, over all connections', async () => {
    const listeners = [
      { pattern: 'a', topic: 'a', processes: undefined },
      { pattern: 'b', topic: 'b', processes: 0 },
      { pattern: 'c', topic: 'c', processes: [] },
      { pattern: 'd', topic: 'd', processes: 2 },
    ];
    const other = { connection: 'audit', listeners: [{ pattern: 'a', topic: 'x.a', processes: undefined }] };
    const { children, start } = supervised({ servers: [{ listeners }, other] });
    await start();
    const shared = [
      ['default', 'a'],
      ['default', 'b'],
      ['default', 'c'],
      ['audit', 'a'],
    ];
    expect(children.map(({ assignment }) => assignment.listeners)).toEqual([[['default', 'd']], [['default', 'd']], shared]);
    expect(children[2]!.assignment.patterns).toEqual(['a', 'b', 'c']);
  });

  it('never has more than partitions, and says so once for each number of them', async () => {
    const { told, alive, checks, start, logger } = supervised({ processes: 8 });
    await start();
    await checks(5);
    expect(alive()).toHaveLength(4);
    told.partitions = 6;
    await checks(5);
    expect(alive()).toHaveLength(6);
    expect(logger.having('partitions')).toEqual([
      "warn 'jobs': 8 workers wanted, fewer started: 4 partitions can keep no more busy",
      "warn 'jobs': 8 workers wanted, fewer started: 6 partitions can keep no more busy",
    ]);
  });

  it('creates the topics, once', async () => {
    const prepared: string[][] = [];
    const { checks, start } = supervised({ servers: [{ prepare: async (topics) => void prepared.push([...topics]) }] });
    await start();
    await checks(3);
    expect(prepared).toEqual([['jobs']]);
  });

  it('starts no more than memory allows for, but the first of each set', async () => {
    const servers = [{}, { connection: 'audit' }];
    const { children, checks, start, logger } = supervised({ processes: 4, servers, maxTotalMemoryBytes: 1 });
    await start();
    await checks(3);
    expect(children.map(({ assignment }) => assignment.listeners[0]![0])).toEqual(['default', 'audit']);
    expect(logger.having('maxTotalMemoryBytes')).toHaveLength(2);
  });

  it('takes a worker that starts for as large as this process, so that a start of many stays within memory', async () => {
    const { children, start, clock } = supervised({ processes: 4, maxTotalMemoryBytes: 1.5 * process.memoryUsage.rss() });
    await start();
    clock.advance(1_000);
    await turn();
    await turn();
    expect(children).toHaveLength(2);
  });

  it('starts those that crash later and later, while their siblings stay', async () => {
    const { clock, alive, checks, start, logger, children } = supervised({ processes: 2 });
    await start();
    const [sibling] = alive();
    for (let crash = 0; crash < 200; crash++) {
      alive()
        .find((child) => child !== sibling)
        ?.exit(1);
      await checks(1);
    }
    const delays = logger.having('ended by itself').map((line) => Number(/started in (\d+) ms/.exec(line)![1]));
    expect(delays.slice(0, 6).map((delay, at) => delay >= 0.8 * 500 * 2 ** at)).toEqual(Array.from({ length: 6 }, () => true));
    expect(Math.max(...delays)).toBeLessThanOrEqual(36_000);
    expect(children.length).toBeLessThan(20);
    expect(sibling!.signals).toEqual([]);
    // One that has lived for long begins anew.
    await checks(80);
    expect(alive()).toHaveLength(2);
    alive()
      .find((child) => child !== sibling)!
      .exit(1);
    expect(Number(/started in (\d+) ms/.exec(logger.having('ended by itself').at(-1)!)![1])).toBeLessThanOrEqual(600);
    expect(clock.pending).toBeGreaterThan(0);
  });

  it('keeps the number of workers while the lag cannot be read, has at least one, and says it once', async () => {
    const { told, alive, checks, start, logger } = supervised({
      processes: [
        [0, 0],
        [20, 1],
        [1_000, 3],
      ],
    });
    told.lag = new Error('no broker');
    await start();
    expect(alive()).toHaveLength(1);
    await checks(5);
    expect(logger.having('cannot be read')).toHaveLength(1);
    told.lag = 500;
    await checks(12);
    expect(alive()).toHaveLength(3);
    told.lag = new Error('no broker');
    await checks(20);
    expect(alive()).toHaveLength(3);
    expect(logger.having('cannot be read')).toHaveLength(2);
  });

  it('starts what had crashed at once when the brokers are back', async () => {
    const { told, alive, checks, start } = supervised();
    told.lag = new Error('no broker');
    await start();
    for (let crash = 0; crash < 60; crash++) {
      alive()[0]?.exit(1);
      await checks(1);
    }
    // The last check may have been the one that starts the next.
    alive()[0]?.exit(1);
    expect(alive()).toHaveLength(0);
    told.lag = 0;
    await checks(1);
    expect(alive()).toHaveLength(1);
  });

  it('asks for the lag once at a time, and sees to frozen workers meanwhile', async () => {
    const { told, clock, children, alive, start, checks } = supervised();
    await start();
    alive()[0]!.say('serving');
    let asked = 0;
    const never = new Promise<number>(() => undefined);
    Object.defineProperty(told, 'lag', { get: () => ((asked += 1), never) });
    for (let second = 0; second < 29; second++) clock.advance(1_000);
    await checks(0);
    expect(children[0]!.signals).toEqual([]);
    clock.advance(2_000);
    expect(children[0]!.signals).toEqual(['SIGKILL']);
    await turn();
    expect(asked).toBe(1);
  });

  describe('where no process can be started', () => {
    const refusing = () => {
      const refused: { error?: Error } = {};
      const made = supervised({
        processes: 2,
        fork: (assignment) => {
          if (refused.error) throw refused.error;
          const child = new FakeChild(assignment);
          made.children.push(child);
          return child as unknown as ChildProcess;
        },
      });
      return { ...made, refused };
    };

    it('says so, and tries again later and later', async () => {
      const { refused, children, checks, start, logger } = refusing();
      refused.error = new Error('spawn ENOMEM');
      await start();
      await checks(60);
      const said = logger.having('could not be started (Error: spawn ENOMEM)');
      expect(said.length).toBeGreaterThan(3);
      expect(said.length).toBeLessThan(10);
      expect(logger.having('in all')).toEqual([]);
      refused.error = undefined;
      await checks(40);
      expect(children).toHaveLength(2);
    });

    it('replaces none: the old ones stay', async () => {
      const { refused, supervisor, alive, checks, start } = refusing();
      await start();
      await checks(1);
      refused.error = new Error('spawn ENOMEM');
      await supervisor.roll();
      expect(alive().map(({ signals }) => signals)).toEqual([[], []]);
    });
  });

  it('does not take workers for frozen when it was itself', async () => {
    const { clock, children, checks, start } = supervised();
    await start();
    await checks(1);
    clock.sleep(3_600_000);
    await checks(3);
    expect(children[0]!.signals).toEqual([]);
  });

  it('gives a program more time to load, before it first speaks', async () => {
    const { clock, children, start } = supervised({ maxBlockedMs: 3_000 });
    await start();
    clock.advance(60_000);
    expect(children[0]!.signals).toEqual([]);
    clock.advance(1_000);
    expect(children[0]!.signals).toEqual(['SIGKILL']);
  });

  it('says why a worker could not start, without passwords, and ends what is left of it', async () => {
    const { children, start, logger } = supervised();
    await start();
    children[0]!.say('failed', { reason: 'Error: redis://user:secret@host is away' });
    await turn();
    expect(children[0]!.signals).toEqual(['SIGTERM']);
    children[0]!.exit(null, 'SIGTERM');
    expect(logger.having('it could not start: Error: redis://***@host is away')).toHaveLength(1);
  });

  it('lets what else is said on the channel alone, and errors of the channel', async () => {
    const { children, start, checks } = supervised();
    await start();
    for (const message of [null, 'hello', { type: 'app' }, { streamback: 'other' }]) children[0]!.emit('message', message);
    children[0]!.emit('error', new Error('EPIPE'));
    await checks(3);
    expect(children).toHaveLength(1);
  });

  it('drains all at the end, kills what does not end in time, and starts nothing more', async () => {
    const { supervisor, children, clock, checks, start, alive } = supervised({ processes: 2 });
    await start();
    await checks(1);
    const ending = supervisor.end();
    void supervisor.end();
    await turn();
    expect(children.map(({ signals }) => signals)).toEqual([['SIGTERM'], ['SIGTERM']]);
    children[0]!.exit(null, 'SIGTERM');
    clock.advance(17_999);
    expect(alive()).toHaveLength(1);
    clock.advance(1);
    await ending;
    expect(children.map(({ signals }) => signals)).toEqual([['SIGTERM'], ['SIGTERM', 'SIGKILL']]);
    await supervisor.roll();
    await checks(3);
    expect(children).toHaveLength(2);
    expect(clock.pending).toBe(0);
  });

  it('does not start where it has ended before', async () => {
    const { supervisor, children, start } = supervised();
    await supervisor.end();
    await start();
    expect(children).toEqual([]);
  });

  it('replaces worker after worker: the old one ends once the new one serves', async () => {
    const { supervisor, children, checks, start, logger } = supervised({ processes: 2 });
    await start();
    await checks(1);
    const rolling = supervisor.roll();
    for (const old of [0, 1]) {
      await checks(0);
      expect(children).toHaveLength(3 + old);
      expect(children[old]!.signals).toEqual([]);
      children[2 + old]!.say('serving');
      await turn();
      await turn();
      expect(children[old]!.signals).toEqual(['SIGTERM']);
      children[old]!.exit(null, 'SIGTERM');
      await turn();
    }
    await rolling;
    expect(children).toHaveLength(4);
    expect(logger.having('rolling restart is over')).toHaveLength(1);
  });

  it('stops a rolling restart whose new worker does not come up: the old ones stay', async () => {
    const { supervisor, children, checks, start, logger } = supervised({ processes: 2 });
    await start();
    await checks(1);
    const rolling = supervisor.roll();
    await turn();
    children[2]!.exit(1);
    await rolling;
    expect(children.slice(0, 2).map(({ signals }) => signals)).toEqual([[], []]);
    expect(children).toHaveLength(3);
    expect(logger.having('rolling restart stops')).toHaveLength(1);
  });

  describe('with somebody who hears of its ticks', () => {
    const watched = async (options: Parameters<typeof supervised>[0] = {}) => {
      const made = supervised(options);
      const ticks: SupervisorTick[] = [];
      made.supervisor.onTick((tick) => ticks.push(tick));
      await made.start();
      return { ...made, ticks, last: () => ticks.at(-1)! };
    };

    it('tells the lag of all sets and each worker, at each look', async () => {
      const { told, ticks, last, checks, children } = await watched({ processes: 2, servers: [{}, { connection: 'audit' }] });
      expect(ticks).toHaveLength(1);
      expect(last().workers.map(({ status }) => status)).toEqual(['starting', 'starting', 'starting', 'starting']);
      told.lag = 5;
      await checks(3);
      expect(ticks).toHaveLength(4);
      expect(last().lag).toBe(10);
      expect(last().workers[0]).toEqual({ id: 1, counter: 0, patterns: ['jobs'], pid: 1, status: 'serving', ageMs: 3_000, rssBytes: 1 });
      children[0]!.exit(1);
      told.lag = new Error('no broker');
      await checks(1);
      expect(last().lag).toBeNull();
      expect(last().workers.map(({ id }) => id)).toEqual([2, 5, 3, 4]);
    });

    it('replaces the worker that it is asked to: a new one serves first, and there are never fewer', async () => {
      const { last, children, clock, checks } = await watched({ processes: 2, minWorkerAgeMs: 0 });
      await checks(15);
      const replaced = last().replace(1);
      // One more than wanted, at some looks at the lag.
      for (let look = 0; look < 5; look++) {
        clock.advance(1_000);
        for (const child of children) child.say(child === children[2] ? 'starting' : 'serving');
        await turn();
        await turn();
      }
      expect(children.map(({ signals }) => signals)).toEqual([[], [], []]);
      children[2]!.say('serving');
      await checks(5);
      expect(children.map(({ signals }) => signals)).toEqual([['SIGTERM'], [], []]);
      expect(children).toHaveLength(3);
      children[0]!.exit(0);
      expect(await replaced).toBe(true);
      await checks(15);
      expect(children.map(({ signals }) => signals)).toEqual([['SIGTERM'], [], []]);
      expect(children).toHaveLength(3);
    });

    it('replaces one at a time over all sets, and none that is not there', async () => {
      const { last, children, checks } = await watched({ processes: 1, servers: [{}, { connection: 'audit' }] });
      await checks(1);
      const replaced = last().replace(1);
      expect(await Promise.all([last().replace(1), last().replace(2), last().replace(9)])).toEqual([false, false, false]);
      await checks(0);
      expect(children).toHaveLength(3);
      children[2]!.say('serving');
      await checks(0);
      children[0]!.exit(0);
      expect(await replaced).toBe(true);
      const next = last().replace(2);
      await checks(1);
      children[1]!.exit(0);
      expect(await next).toBe(true);
    });

    it('keeps the old worker where the new one does not come up', async () => {
      const { last, children, checks, logger } = await watched({ processes: 1 });
      await checks(1);
      const replaced = last().replace(1);
      await checks(0);
      children[1]!.exit(1);
      expect(await replaced).toBe(false);
      expect(children[0]!.signals).toEqual([]);
      expect(logger.having('ended by itself')).toHaveLength(1);
    });

    it('replaces none during a rolling restart, which waits for one that is being replaced', async () => {
      const { supervisor, last, children, checks } = await watched({ processes: 1 });
      await checks(1);
      const replaced = last().replace(1);
      const rolling = supervisor.roll();
      expect(await last().replace(1)).toBe(false);
      await checks(1);
      expect(children).toHaveLength(2);
      children[0]!.exit(0);
      expect(await replaced).toBe(true);
      await checks(0);
      expect(children).toHaveLength(3);
      children[2]!.say('serving');
      await checks(0);
      expect(await last().replace(3)).toBe(false);
      children[1]!.exit(0);
      await rolling;
      const after = last().replace(3);
      await checks(1);
      children[2]!.exit(0);
      expect(await after).toBe(true);
    });

    it('tells nothing more once it has ended', async () => {
      const { supervisor, ticks, last, children, checks } = await watched();
      await checks(1);
      const ending = supervisor.end();
      expect(await last().replace(1)).toBe(false);
      const told = ticks.length;
      await checks(2);
      children[0]!.exit(0);
      await ending;
      expect(ticks).toHaveLength(told);
    });
  });

  it('warns of a listener that nobody is to handle, and of a stream that does not tell its lag', async () => {
    const none = supervised({ processes: [[0, 0]] });
    await none.start();
    expect(none.children).toEqual([]);
    expect(none.logger.having('its messages are not handled')).toHaveLength(1);
    const untold = supervised({ processes: [1, 4], servers: [{ tellsLag: false }] });
    await untold.start();
    expect(untold.logger.having('does not tell its lag')).toHaveLength(1);
  });

  it('has nothing to do for an app without listeners', async () => {
    const { supervisor, clock, start } = supervised({ servers: [{ listeners: [] }] });
    await start();
    await supervisor.roll();
    expect(clock.pending).toBe(0);
  });
});
