import { Controller, Injectable, Module, Scope, type OnModuleDestroy, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CronExpression,
  CronMessage,
  StreambackContext,
  StreambackModule,
  StreambackScheduleRegistry,
  StreambackServer,
  type StreambackOptions,
} from '../../../lib';
import { takeProcessRole } from '../../../lib/common/process-role';
import { slotId } from '../../../lib/scheduler/schedule-runner';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';

interface Arrived {
  readonly pattern: string;
  readonly data: unknown;
  readonly id: string;
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

const FAR = '0 0 0 1 1 *';

/** Apps with schedules; `streams` are those that all apps of a test share. */
export function schedulesSuite(title: string, newStreams: () => string): void {
  describe(title, () => {
    const apps: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      for (const app of apps.splice(0)) await app.close();
    });

    const fresh = (): StreambackOptions & { streams: string } => {
      const name = freshName('schedules');
      return { group: name, topicsPrefix: name, streams: newStreams(), kafka: { partitions: 1 } };
    };

    /** An app that handles the events `tick`, `listed` and `added`. */
    async function start(options: StreambackOptions, providers: Provider[] = []) {
      const arrived: Arrived[] = [];
      @Controller()
      class Ticks {
        @EventPattern<any>(['tick', 'listed', { cmd: 'added' }])
        on(@Payload() data: unknown, @Ctx() context: StreambackContext): void {
          arrived.push({ pattern: context.getPattern(), data, id: context.getId(), key: context.getKey(), headers: context.getHeaders() });
        }
      }
      @Module({ imports: [StreambackModule.forRoot(options)], controllers: [Ticks], providers })
      class AppModule {}
      const app = await NestFactory.createMicroservice(AppModule, {
        useFactory: (strategy: StreambackServer) => ({ strategy }),
        inject: [StreambackServer],
        logger: false,
        abortOnError: false,
      });
      apps.push(app);
      await app.listen();
      return { app, arrived, registry: app.get(StreambackScheduleRegistry) };
    }

    it('sends what a method returns, each tick once for two apps, with key, headers and a stable id', async () => {
      @Injectable()
      class Checks {
        calls = 0;
        @CronMessage(CronExpression.EVERY_SECOND, 'tick', { key: 'k', headers: { tenant: 'a' }, timeZone: 'UTC' })
        check() {
          this.calls += 1;
          return { at: new Date().toISOString() };
        }
      }
      const options = fresh();
      const [one, other] = [await start(options, [Checks]), await start(options, [Checks])];
      const all = () => [...one.arrived, ...other.arrived];
      await eventually('five ticks', () => all().length >= 5, { timeoutMs: 20_000 });
      for (const app of apps.splice(0)) await app.close();
      const ids = all().map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      const calls = one.app.get(Checks).calls + other.app.get(Checks).calls;
      expect(calls).toBeGreaterThanOrEqual(ids.length);
      for (const { key, headers, pattern, data, id } of all()) {
        expect({ key, tenant: headers.tenant, pattern }).toEqual({ key: 'k', tenant: 'a', pattern: 'tick' });
        const second = Math.floor(Date.parse((data as { at: string }).at) / 1_000) * 1_000;
        const possible = [0, -1, -2].map((late) => slotId(`${options.group}.${options.group}`, 'Checks.check', second + late * 1_000));
        expect(possible).toContain(id);
      }
    });

    it('undefined sends nothing; a promise, and an inherited method, send', async () => {
      let calls = 0;
      class Base {
        @CronMessage('* * * * * *', 'tick', { name: 'inherited' })
        async inherited() {
          return 'later';
        }
      }
      @Injectable()
      class Nothing extends Base {
        @CronMessage('* * * * * *', 'tick')
        nothing(): void {
          calls += 1;
        }
      }
      const { arrived } = await start(fresh(), [Nothing]);
      await eventually('calls', () => calls >= 2 && arrived.length >= 2, { timeoutMs: 20_000 });
      expect(new Set(arrived.map(({ data }) => data))).toEqual(new Set(['later']));
    });

    it('sends the data of the schedules in the options, but not of one that is disabled', async () => {
      const schedules = [
        { name: 'listed', cronTime: '* * * * * *', pattern: 'listed', data: { all: true }, description: 'for people' },
        { name: 'bare', cronTime: '* * * * * *', pattern: { cmd: 'added' } },
        { name: 'off', cronTime: '* * * * * *', pattern: 'tick', disabled: true },
      ];
      const { arrived, registry } = await start({ ...fresh(), schedules });
      const of = (pattern: string) => arrived.filter((message) => message.pattern.includes(pattern));
      await eventually('both', () => of('listed').length >= 2 && of('added').length >= 2, { timeoutMs: 20_000 });
      expect(of('tick')).toEqual([]);
      expect(of('listed')[0]!.data).toEqual({ all: true });
      expect(of('added')[0]!.data).toEqual({});
      expect(await registry.list()).toEqual([
        expect.objectContaining({ ...schedules[0], source: 'options', paused: false, lastAt: expect.any(Date), nextAt: expect.any(Date) }),
        expect.objectContaining({ name: 'bare' }),
        { ...schedules[2], source: 'options', paused: false },
      ]);
    });

    it('the registry works for the whole group: add, pause, resume, trigger, remove', async () => {
      const options = { ...fresh(), schedules: [{ name: 'far', cronTime: FAR, pattern: 'listed' }] };
      const [one, other] = [await start(options), await start(options)];
      const count = () => one.arrived.length + other.arrived.length;
      await one.registry.add({ name: 'extra', cronTime: '* * * * * *', pattern: { cmd: 'added' }, data: [7] });
      await eventually('it is sent', () => count() >= 2, { timeoutMs: 20_000 });
      expect(await other.registry.get('extra')).toMatchObject({ source: 'registry', data: [7], paused: false });

      await other.registry.pause('extra');
      const paused = (await one.registry.get('extra'))!;
      expect(paused.paused).toBe(true);
      await eventually('a second is over', () => Date.now() > (paused.lastAt?.getTime() ?? 0) + 3_000);
      expect((await one.registry.get('extra'))!.lastAt).toEqual(paused.lastAt);

      // Before: it may be handled by the time it is acknowledged.
      const triggered = count() + 1;
      await one.registry.trigger('extra');
      await eventually('the trigger', () => count() >= triggered, { timeoutMs: 20_000 });
      await one.registry.resume('extra');
      await eventually('it goes on', async () => (await other.registry.get('extra'))!.lastAt! > paused.lastAt!, { timeoutMs: 20_000 });
      await other.registry.remove('extra');
      expect((await one.registry.list()).map(({ name }) => name)).toEqual(['far']);
      await expect(one.registry.remove('far')).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' });
    });

    it('what was added is still there for apps that come later', async () => {
      const options = fresh();
      const first = await start(options);
      await first.registry.add({ name: 'extra', cronTime: FAR, pattern: 'tick' });
      const second = await start(options);
      await apps.shift()!.close();
      expect(await second.registry.list()).toMatchObject([{ name: 'extra', source: 'registry' }]);
      await second.registry.remove('extra');
    });

    it('ends before what its methods use is destroyed; a method under way is sent', async () => {
      const seen: string[] = [];
      @Injectable()
      class Database implements OnModuleDestroy {
        private closed = false;
        read(): string {
          return this.closed ? 'closed' : 'open';
        }
        onModuleDestroy(): void {
          this.closed = true;
        }
      }
      @Injectable()
      class Reads {
        begun = 0;
        constructor(readonly database: Database) {}
        @CronMessage('* * * * * *', 'tick')
        async read() {
          this.begun += 1;
          await new Promise((resolve) => setTimeout(resolve, 300));
          const state = this.database.read();
          seen.push(state);
          return state;
        }
      }
      const { app } = await start(fresh(), [Database, Reads]);
      const reads = app.get(Reads);
      await eventually('a method runs', () => reads.begun > seen.length, { timeoutMs: 20_000, intervalMs: 5 });
      await apps.pop()!.close();
      expect(reads.begun).toBe(seen.length);
      expect(new Set(seen)).toEqual(new Set(['open']));
      const { begun } = reads;
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(reads.begun).toBe(begun);
    });

    describe('at start', () => {
      const failure = (options: Partial<StreambackOptions>, providers: Provider[] = []) =>
        start({ ...fresh(), ...options } as StreambackOptions, providers).then(
          () => 'it started',
          (error: unknown) => error,
        );
      const method = (cronTime: string, options?: Parameters<typeof CronMessage>[2], pattern = 'tick'): Provider => {
        @Injectable()
        class Wrong {
          @CronMessage(cronTime, pattern, options)
          run(): void {}
        }
        return Wrong;
      };

      it.each<[string, Provider, object]>([
        ['an expression', method('soon'), { code: 'INVALID_SCHEDULE', message: expect.stringContaining("'Wrong.run'") }],
        ['a zone', method(FAR, { timeZone: 'Mars/Olympus' }), { code: 'INVALID_SCHEDULE' }],
        ['an option', method(FAR, { catchup: 'all' } as object), { code: 'INVALID_OPTION', remedy: expect.stringContaining('catchUp') }],
        ['a connection', method(FAR, { connection: 'audit' }), { code: 'UNKNOWN_CONNECTION' }],
        [
          'a pattern',
          method(FAR, undefined, null as unknown as string),
          { code: 'INVALID_PATTERN', remedy: expect.stringContaining('@CronMessage') },
        ],
      ])('refuses %s that is wrong', async (_what, provider, error) => {
        expect(await failure({}, [provider])).toMatchObject(error);
      });

      it('refuses a name that is used twice', async () => {
        const schedules = [{ name: 'twice', cronTime: FAR, pattern: 'tick' }];
        expect(await failure({ schedules }, [method(FAR, { name: 'twice' })])).toMatchObject({
          code: 'INVALID_SCHEDULE',
          message: "Two schedules have the name 'twice'",
        });
      });

      it('refuses a provider that is made anew for each request', async () => {
        @Injectable({ scope: Scope.REQUEST })
        class PerRequest {
          @CronMessage(FAR, 'tick')
          run(): void {}
        }
        expect(await failure({}, [PerRequest])).toMatchObject({ code: 'INVALID_SCHEDULE', message: expect.stringContaining('PerRequest') });
      });

      it('refuses schedules on a connection without a store for them', async () => {
        const { streams } = fresh();
        const main = streams.startsWith('memory') ? streams : /main=([^&]+)/.exec(streams)![1]!;
        expect(await failure({ streams: { main } }, [method(FAR)])).toMatchObject({ code: 'MISSING_CAPABILITY' });
      });

      it.each([
        [{ schedules: 'nightly' }, 'schedules'],
        [{ schedules: [{ cronTime: FAR, pattern: 'tick' }] }, 'schedules[0].name'],
        [{ schedules: [{ name: 'n', cronTime: FAR, pattern: 'tick', dat: 1 }] }, 'schedules[0].dat'],
      ])('refuses %j', async (options, option) => {
        expect(await failure(options as object)).toMatchObject({ code: 'INVALID_OPTION', option });
      });

      it('refuses schedules without the module', () => {
        const schedules = [{ name: 'n', cronTime: FAR, pattern: 'tick' }];
        expect(() => new StreambackServer({ ...fresh(), schedules })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
      });
    });

    it('a worker process sends nothing, and has the registry', async () => {
      const listeners = [['default', 'listed']] as const;
      takeProcessRole({ kind: 'worker', assignment: { id: 1, counter: 0, patterns: ['listed'], listeners, endWithinMs: 10_000 } });
      try {
        const schedules = [{ name: 'listed', cronTime: '* * * * * *', pattern: 'listed' }];
        const { arrived, registry } = await start({ ...fresh(), schedules });
        const { lastAt } = (await registry.get('listed'))!;
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        expect([lastAt, (await registry.get('listed'))!.lastAt, arrived.length]).toEqual([undefined, undefined, 0]);
        await registry.trigger('listed');
        await eventually('the trigger', () => arrived.length === 1);
      } finally {
        takeProcessRole({ kind: 'alone' });
      }
    });

    it('each connection has its own, and one registry covers both', async () => {
      const [main, audit] = [fresh(), fresh()];
      @Injectable()
      class Both {
        @CronMessage(FAR, 'tick', { name: 'here' })
        here(): void {}
        @CronMessage(FAR, 'tick', { name: 'there', connection: 'audit' })
        there(): void {}
      }
      @Module({
        imports: [
          StreambackModule.forRoot({ ...main, schedules: [{ name: 'listed', cronTime: FAR, pattern: 'x', connection: 'audit' }] }),
          StreambackModule.forRoot({ ...audit, connection: 'audit' }),
        ],
        providers: [Both],
      })
      class AppModule {}
      const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
      apps.push(app);
      const registry = app.get(StreambackScheduleRegistry);
      expect((await registry.list()).map(({ name }) => name)).toEqual(['here']);
      expect((await registry.list('audit')).map(({ name }) => name).toSorted()).toEqual(['listed', 'there']);
      await expect(registry.list('nobody')).rejects.toMatchObject({ code: 'UNKNOWN_CONNECTION' });
    });
  });
}
