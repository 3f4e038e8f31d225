import { Controller, Injectable, Module, type DynamicModule, type INestMicroservice, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { lastValueFrom, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConsumeResult,
  type ConsumeRetry,
  type DeadLetter,
  getStreambackServerToken,
  listener,
  ListenerStats,
  StreambackAbortError,
  StreambackClient,
  StreambackContext,
  StreambackDeadLetters,
  StreambackLifecycle,
  type StreambackLifecycleHooks,
  StreambackModule,
  type StreambackOptions,
  type StreambackRebalance,
  StreambackRecordBuilder,
  StreambackServer,
  type StreambackListening,
  type WorkerStats,
} from '../../../lib';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';
import { RecordingLogger } from '../../support/recording-logger';

/** What was called, in the order it was; of a message by its key. */
interface Called {
  readonly what: string;
  readonly key: string;
  readonly context?: StreambackContext;
  readonly given?: unknown;
}

class Calls {
  readonly all: Called[] = [];

  add(what: string, context: StreambackContext, given?: unknown): void {
    this.all.push({ what, key: context.getKey() ?? '', context, given });
  }

  of(key: string): Called[] {
    return this.all.filter((call) => call.key === key);
  }

  names(key: string): string[] {
    return this.of(key).map(({ what }) => what);
  }

  given<Given>(key: string, what: string): Given {
    return this.of(key).find((call) => call.what === what)?.given as Given;
  }

  over(key: string): Promise<boolean> {
    return eventually(`'${key}' is over`, () => this.names(key).includes('end'));
  }
}

/** Every hook, each noted. */
@StreambackLifecycle()
@Injectable()
class Audit implements StreambackLifecycleHooks {
  readonly calls = new Calls();
  readonly letters: DeadLetter[] = [];
  readonly rebalances: StreambackRebalance[] = [];
  readonly listenings: StreambackListening[] = [];
  readonly stats: unknown[] = [];

  onConsumeBegin(context: StreambackContext): void {
    this.calls.add('begin', context);
  }
  async onConsumeEnd(context: StreambackContext, result: ConsumeResult): Promise<void> {
    this.calls.add('end', context, result);
  }
  onConsumeError(context: StreambackContext, error: unknown): void {
    this.calls.add('error', context, error);
  }
  onRetry(context: StreambackContext, retry: ConsumeRetry): void {
    this.calls.add('retry', context, retry);
  }
  onCancel(context: StreambackContext, reason: StreambackAbortError): void {
    this.calls.add('cancel', context, reason);
  }
  onDeadLetter(letter: DeadLetter): void {
    this.letters.push(letter);
    this.calls.all.push({ what: 'letter', key: String(letter.key) });
  }
  onRebalance(change: StreambackRebalance): void {
    this.rebalances.push(change);
  }
  onListen(listening: StreambackListening): void {
    this.listenings.push(listening);
  }
  onStats(stats: unknown): void {
    this.stats.push(stats);
  }
}

/** The same for one pattern. */
@StreambackLifecycle({ patterns: ['hooks.event', { cmd: 'hooks' }] })
class EventAudit extends Audit {}

/** A promise that is resolved from outside. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

interface App {
  readonly app: INestMicroservice;
  readonly client: StreambackClient;
  readonly handled: Calls;
  readonly logger: RecordingLogger;
}

/** Lifecycle providers over whatever streams. */
export function lifecycleSuite(title: string, newStreams: () => string, { hasMembers = true } = {}): void {
  describe(title, () => {
    const fresh = (): StreambackOptions & { streams: string } => {
      const name = freshName('hooks');
      return {
        group: name,
        topicsPrefix: name,
        streams: newStreams(),
        kafka: { partitions: 2, consumer: { sessionTimeout: 6_000 } },
        leaseMs: 1_000,
      };
    };

    async function start(options: StreambackOptions, providers: Provider[], imports: DynamicModule[] = []): Promise<App> {
      const handled = new Calls();
      const logger = new RecordingLogger();
      @Controller()
      class Work {
        @MessagePattern('hooks.work', listener({ retry: { times: 1, delayMs: 10, jitter: 0, on: (error) => error instanceof TypeError } }))
        async *work(@Payload() data: string, @Ctx() context: StreambackContext): AsyncGenerator<number> {
          handled.add('handler', context);
          if (data === 'fail') throw new Error('it fails');
          if (data === 'refuse') throw new RpcException('no such thing');
          if (data === 'retry' && context.getAttempt() === 1) throw new TypeError('at first');
          yield 1;
          if (data === 'wait') await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
          yield 2;
        }

        @EventPattern<any>(['hooks.event', { cmd: 'hooks' }])
        async event(@Payload() data: string, @Ctx() context: StreambackContext): Promise<void> {
          handled.add('handler', context);
          if (data === 'fail') throw new Error('it fails');
          if (data === 'wait') await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
        }
      }
      @Module({ imports: [StreambackModule.forRoot(options), ...imports], controllers: [Work], providers })
      class AppModule {}
      const app = await NestFactory.createMicroservice(AppModule, {
        useFactory: (strategy: StreambackServer) => ({ strategy }),
        inject: [StreambackServer],
        logger,
        abortOnError: false,
      });
      apps.push(app);
      await app.listen();
      return { app, client: app.get(StreambackClient), handled, logger };
    }

    const apps: INestMicroservice[] = [];
    const closeAll = async (): Promise<void> => {
      for (const app of apps.splice(0)) await app.close();
    };
    const record = (data: string, key: string) => new StreambackRecordBuilder(data).setKey(key).build();
    const send = ({ client }: App, data: string, key: string): Promise<number[]> =>
      lastValueFrom(client.send<number>('hooks.work', record(data, key)).pipe(toArray()));
    const emit = ({ client }: App, pattern: string | object, data: string, key: string): Promise<unknown> =>
      lastValueFrom(client.emit(pattern, record(data, key)), { defaultValue: undefined });

    describe('of one app', () => {
      let it1: App;
      let audit: Audit;
      let eventAudit: EventAudit;
      let options: ReturnType<typeof fresh>;

      beforeAll(async () => {
        options = fresh();
        it1 = await start(options, [Audit, { provide: 'events', useValue: new EventAudit() }, { provide: 'again', useExisting: 'events' }]);
        audit = it1.app.get(Audit);
        eventAudit = it1.app.get('events');
      });
      afterAll(closeAll);

      it('begin, handler, end: with one context, and what came of it', async () => {
        expect(await send(it1, 'answer', 'plain')).toEqual([1, 2]);
        await audit.calls.over('plain');
        expect(audit.calls.names('plain')).toEqual(['begin', 'end']);
        const [begin, end] = audit.calls.of('plain');
        const [handler] = it1.handled.of('plain');
        expect([begin!.context === handler!.context, end!.context === handler!.context]).toEqual([true, true]);
        expect([handler!.context!.getPattern(), handler!.context!.getConnection()]).toEqual(['hooks.work', 'default']);
        const result = end!.given as ConsumeResult;
        expect(result).toEqual({
          status: 'done',
          answers: 2,
          durationMs: expect.any(Number),
          firstAnswerMs: expect.any(Number),
          lastAnswerMs: expect.any(Number),
        });
        expect(0 <= result.firstAnswerMs! && result.firstAnswerMs! <= result.lastAnswerMs!).toBe(true);
        expect(result.lastAnswerMs! <= result.durationMs && result.durationMs < 10_000).toBe(true);
      });

      it('an error is told as the handler threw it; so is one that is an answer', async () => {
        await expect(send(it1, 'fail', 'failing')).rejects.toEqual({ status: 'error', message: 'Internal server error' });
        await expect(send(it1, 'refuse', 'refused')).rejects.toEqual({ status: 'error', message: 'no such thing' });
        await audit.calls.over('failing');
        await audit.calls.over('refused');
        expect(audit.calls.names('failing')).toEqual(['begin', 'error', 'end']);
        expect(audit.calls.given('failing', 'error')).toEqual(new Error('it fails'));
        expect(audit.calls.given('failing', 'end')).toMatchObject({
          status: 'failed',
          answers: 0,
          firstAnswerMs: null,
          lastAnswerMs: null,
        });
        expect(audit.calls.given('refused', 'error')).toBeInstanceOf(RpcException);
        expect(audit.calls.given('refused', 'end')).toMatchObject({ status: 'failed' });
      });

      it('a retry is told of the try that failed; begin and end are once for all tries', async () => {
        expect(await send(it1, 'retry', 'retried')).toEqual([1, 2]);
        await audit.calls.over('retried');
        expect(audit.calls.names('retried')).toEqual(['begin', 'retry', 'end']);
        expect(audit.calls.given('retried', 'retry')).toEqual({ error: new TypeError('at first'), attempt: 1, delayMs: 10 });
        expect(audit.calls.given('retried', 'end')).toMatchObject({ status: 'done', answers: 2 });
        expect(it1.handled.of('retried').map(({ context }) => context!.getAttempt())).toEqual([1, 2]);
        expect(audit.calls.given<ConsumeResult>('retried', 'end').durationMs).toBeGreaterThanOrEqual(9);
      });

      it('a dead letter is told as StreambackDeadLetters reads it, once it is stored, between error and end', async () => {
        await emit(it1, 'hooks.event', 'fail', 'letter');
        await audit.calls.over('letter');
        expect(audit.calls.names('letter')).toEqual(['begin', 'error', 'letter', 'end']);
        const letters: DeadLetter[] = [];
        const filter = ({ key }: DeadLetter): boolean => String(key) === 'letter';
        for await (const letter of it1.app.get(StreambackDeadLetters).read('hooks.event', { filter })) letters.push(letter);
        expect(letters).toEqual(audit.letters.filter(filter));
        expect(letters).toMatchObject([{ code: 'HANDLER_FAILED', data: 'fail', attempts: 1, group: options.group }]);
      });

      it('a message that cannot be decoded is a dead letter, and nothing that is handled', async () => {
        const main = (it1.app.get(StreambackServer) as unknown as { connection: { main: { publish(message: object): Promise<void> } } })
          .connection.main;
        await main.publish({ topic: `${options.group}.hooks.event`, key: 'garbage', value: Buffer.from('{'), headers: [] });
        await eventually('it is told', () => audit.calls.names('garbage').length > 0);
        expect(audit.calls.names('garbage')).toEqual(['letter']);
        expect(audit.letters.at(-1)).toMatchObject({ code: 'MALFORMED_MESSAGE', data: undefined, value: Buffer.from('{') });
        expect(eventAudit.calls.names('garbage')).toEqual(['letter']);
      });

      it('a cancel is told with its reason, and ends the message', async () => {
        const seen: number[] = [];
        const subscription = it1.client.send<number>('hooks.work', record('wait', 'cancelled')).subscribe((value) => seen.push(value));
        await eventually('an answer', () => seen.length === 1);
        subscription.unsubscribe();
        await audit.calls.over('cancelled');
        expect(audit.calls.names('cancelled')).toEqual(['begin', 'cancel', 'end']);
        const reason = audit.calls.given<StreambackAbortError>('cancelled', 'cancel');
        expect([reason, reason.code]).toEqual([expect.any(StreambackAbortError), 'CANCELLED']);
        expect(audit.calls.given('cancelled', 'end')).toMatchObject({ status: 'cancelled', answers: 1 });
      });

      it('hooks of patterns are called for these alone, and one instance once however many tokens provide it', async () => {
        await emit(it1, 'hooks.event', 'x', 'named');
        await emit(it1, { cmd: 'hooks' }, 'x', 'object');
        await send(it1, 'answer', 'other');
        for (const key of ['named', 'object', 'other']) await audit.calls.over(key);
        expect([eventAudit.calls.names('named'), eventAudit.calls.names('object'), eventAudit.calls.names('other')]).toEqual([
          ['begin', 'end'],
          ['begin', 'end'],
          [],
        ]);
      });

      it('what is assigned is told at the start, to hooks of patterns their topics alone; and what listens, with its lag', async () => {
        const topics = (given: readonly StreambackRebalance[]): string[] =>
          [...new Set(given.flatMap(({ assigned }) => assigned.map(({ topic }) => topic)))].sort();
        const of = (pattern: string): string => `${options.group}.${pattern}`;
        expect(topics(audit.rebalances)).toHaveLength(3);
        expect(topics(audit.rebalances)).toEqual(expect.arrayContaining([of('hooks.work'), of('hooks.event')]));
        expect(topics(eventAudit.rebalances)).toHaveLength(2);
        expect(topics(eventAudit.rebalances)).not.toContain(of('hooks.work'));
        expect(new Set(audit.rebalances.map(({ connection }) => connection))).toEqual(new Set(['default']));
        const patterns = ['hooks.work', 'hooks.event', '{"cmd":"hooks"}'];
        expect(audit.listenings).toMatchObject([{ connection: 'default', group: options.group, worker: null, patterns }]);
        await eventually('nothing is left', async () => [...(await audit.listenings[0]!.lag()).values()].every((lag) => lag === 0));
        expect([...(await audit.listenings[0]!.lag()).keys()]).toEqual(patterns);
        audit.listenings[0]!.tellStats({ worker: null, intervalMs: 1, rssBytes: 2, cpuRatio: 3, eventLoopDelayMs: 4, listeners: [] });
        expect([audit.stats.length, eventAudit.stats.length]).toEqual([1, 1]);
      });
    });

    describe('of several apps', () => {
      afterEach(closeAll);

      it('the handler waits for begin, settling for end, and the time of begin is not the handler’s', async () => {
        const [begin, end] = [gate(), gate()];
        const calls = new Calls();
        @StreambackLifecycle()
        class Slow {
          async onConsumeBegin(context: StreambackContext): Promise<void> {
            calls.add('begin', context);
            if (context.getKey() === 'slow') await begin.passed;
          }
          async onConsumeEnd(context: StreambackContext, result: ConsumeResult): Promise<void> {
            calls.add('end', context, result);
            await end.passed;
            calls.add('ended', context);
          }
        }
        const one = await start(fresh(), [Slow, Audit]);
        const audit = one.app.get(Audit);
        await emit(one, 'hooks.event', 'x', 'slow');
        const begunAt = performance.now();
        await eventually('it has begun', () => calls.names('slow').length === 1);
        // Another message passes it all meanwhile.
        expect(await send(one, 'answer', 'beside')).toEqual([1, 2]);
        expect(one.handled.of('slow')).toEqual([]);
        const waitedMs = performance.now() - begunAt;
        begin.open();
        await eventually('it is at its end', () => calls.names('slow').includes('end'));
        expect(one.handled.names('slow')).toEqual(['handler']);
        expect(calls.given<ConsumeResult>('slow', 'end').durationMs).toBeLessThan(waitedMs);
        const lags = await audit.listenings[0]!.lag();
        expect(lags.get('hooks.event')).toBe(1);
        end.open();
        await eventually('it is settled', async () => (await audit.listenings[0]!.lag()).get('hooks.event') === 0);
        expect(calls.names('slow')).toEqual(['begin', 'end', 'ended']);
      });

      it('hooks that throw or reject change nothing, and are logged once', async () => {
        @StreambackLifecycle()
        class Broken {
          onListen(): never {
            throw new Error('onListen is broken');
          }
          onRebalance(): never {
            throw new Error('onRebalance is broken');
          }
          onConsumeBegin(): never {
            throw new Error('onConsumeBegin is broken');
          }
          async onConsumeEnd(): Promise<never> {
            return Promise.reject(new Error('onConsumeEnd is broken'));
          }
          async onConsumeError(): Promise<never> {
            throw new Error('onConsumeError is broken');
          }
          onRetry(): never {
            throw new Error('onRetry is broken');
          }
          onDeadLetter(): Promise<never> {
            return Promise.reject(new Error('onDeadLetter is broken'));
          }
          onCancel(): never {
            throw 'onCancel is broken';
          }
        }
        const options = { ...fresh(), drainTimeoutMs: 500 };
        const one = await start(options, [Broken, Audit]);
        const audit = one.app.get(Audit);
        for (const key of ['a', 'b', 'c']) {
          expect(await send(one, 'retry', `${key}-retried`)).toEqual([1, 2]);
          await emit(one, 'hooks.event', 'fail', `${key}-failing`);
          await audit.calls.over(`${key}-failing`);
        }
        await emit(one, 'hooks.event', 'wait', 'cancelled');
        await eventually('it runs', () => one.handled.of('cancelled').length === 1);
        await closeAll();
        for (const key of ['a', 'b', 'c']) {
          expect(audit.calls.names(`${key}-retried`)).toEqual(['begin', 'retry', 'end']);
          expect(audit.calls.names(`${key}-failing`)).toEqual(['begin', 'error', 'letter', 'end']);
        }
        expect(audit.calls.names('cancelled')).toEqual(['begin', 'cancel', 'end']);
        const hooks = [
          'onListen',
          'onRebalance',
          'onConsumeBegin',
          'onConsumeEnd',
          'onConsumeError',
          'onRetry',
          'onDeadLetter',
          'onCancel',
        ];
        for (const hook of hooks) expect(one.logger.having(`The hook Broken.${hook} failed`), hook).toHaveLength(1);
        expect(one.logger.having('is broken')).toHaveLength(hooks.length);
      });

      it('what shutdown stops is told, and is delivered again', async () => {
        const options = { ...fresh(), drainTimeoutMs: 300 };
        const one = await start(options, [Audit]);
        const audit = one.app.get(Audit);
        await emit(one, 'hooks.event', 'wait', 'stopped');
        await eventually('it runs', () => one.handled.of('stopped').length === 1);
        const keep = await start({ ...options, group: `${options.group}-keeper` }, []);
        await one.app.close();
        expect(audit.calls.names('stopped')).toEqual(['begin', 'cancel', 'end']);
        expect(audit.calls.given('stopped', 'cancel')).toMatchObject({ code: 'SHUTDOWN' });
        expect(audit.calls.given('stopped', 'end')).toMatchObject({ status: 'cancelled' });
        const two = await start(options, [Audit]);
        await eventually('it comes again', () => two.handled.of('stopped').length === 1, { timeoutMs: 20_000 });
        await keep.app.close();
      });

      it.each(['onConsumeBegin', 'onConsumeEnd'] as const)('a closing app waits no longer for %s than for a handler', async (name) => {
        @StreambackLifecycle()
        class Endless {
          called = 0;
          private endless(): Promise<void> {
            this.called += 1;
            return new Promise(() => undefined);
          }
          onConsumeBegin(): Promise<void> | void {
            return name === 'onConsumeBegin' ? this.endless() : undefined;
          }
          onConsumeEnd(): Promise<void> | void {
            return name === 'onConsumeEnd' ? this.endless() : undefined;
          }
        }
        const options = { ...fresh(), drainTimeoutMs: 300 };
        const keep = await start({ ...options, group: `${options.group}-keeper` }, []);
        const one = await start(options, [Endless]);
        await emit(one, 'hooks.event', 'x', 'hung');
        await eventually('it hangs', () => one.app.get(Endless).called === 1);
        const at = performance.now();
        await one.app.close();
        const tookMs = performance.now() - at;
        expect(tookMs).toBeLessThan(5_000);
        expect(one.handled.of('hung')).toHaveLength(name === 'onConsumeEnd' ? 1 : 0);
        const two = await start(options, []);
        await eventually('it comes again', () => two.handled.of('hung').length === 1, { timeoutMs: 20_000 });
        await keep.app.close();
      });

      it('ListenerStats measures the process and each listener, tells all who have onStats, and says a line', async () => {
        const audit = new Audit();
        const stats = new ListenerStats({ intervalMs: 150 });
        const one = await start({ ...fresh(), drainTimeoutMs: 300 }, [
          { provide: ListenerStats, useValue: stats },
          { provide: Audit, useValue: audit },
        ]);
        const figures = () =>
          (audit.stats as WorkerStats[]).flatMap(({ listeners }) => listeners.filter(({ pattern }) => pattern === 'hooks.work'));
        const sum = (name: 'handled' | 'failed'): number => figures().reduce((total, each) => total + each[name], 0);
        await Promise.all(Array.from({ length: 20 }, async (_, n) => send(one, 'answer', `many-${n}`)));
        await expect(send(one, 'fail', 'failing')).rejects.toBeTruthy();
        const waiting = one.client.send('hooks.work', record('wait', 'waiting')).subscribe({ error: () => undefined });
        await eventually('all are counted', () => sum('handled') === 21 && figures().at(-1)!.inFlight === 1);
        expect(sum('failed')).toBe(1);
        await eventually('its lag', () => figures().at(-1)!.lag === 1);
        const answered = figures().find(({ firstAnswerMs }) => firstAnswerMs !== null)!;
        expect(answered.firstAnswerMs! <= answered.lastAnswerMs! && answered.lastAnswerMs! < 10_000).toBe(true);
        await eventually('an interval without an answer', () => figures().at(-1)!.firstAnswerMs === null);
        expect(figures().at(-1)).toMatchObject({ connection: 'default', lastAnswerMs: null });
        waiting.unsubscribe();
        await eventually('none is in flight', () => figures().at(-1)!.inFlight === 0 && sum('handled') === 22);
        const all = audit.stats as WorkerStats[];
        expect(all.every(({ worker, listeners }) => worker === null && listeners.length === 3)).toBe(true);
        expect(all.every(({ intervalMs }) => intervalMs >= 100)).toBe(true);
        expect(all.every(({ rssBytes }) => rssBytes > 10_000_000)).toBe(true);
        expect(all.some(({ cpuRatio }) => cpuRatio > 0)).toBe(true);
        // A blocked event loop is seen.
        const blockedUntil = performance.now() + 300;
        while (performance.now() < blockedUntil);
        await eventually('it is told', () => all.some(({ eventLoopDelayMs }) => eventLoopDelayMs > 200 && eventLoopDelayMs < 5_000));
        const lines = one.logger.having(' handled in ');
        expect(Math.abs(lines.length - all.length)).toBeLessThanOrEqual(1);
        expect(lines[0]).toMatch(
          /^log hooks\.work, hooks\.event, \{"cmd":"hooks"\}: \d+ handled in \d\.\d s, \d failed, \d+ in flight, lag (\d+|unknown), .*\d+ MB, CPU \d+ %, event loop late by \d+ ms at most$/,
        );
        await closeAll();
        const count = all.length;
        await new Promise((resolve) => setTimeout(resolve, 300));
        expect(all.length).toBeLessThanOrEqual(count);
      });

      it('hooks of a connection hear of it alone', async () => {
        @StreambackLifecycle({ connection: 'second' })
        class SecondAudit extends Audit {}
        const options = fresh();
        const second = StreambackModule.forRoot({ ...fresh(), streams: options.streams, connection: 'second' });
        const one = await start(options, [Audit, SecondAudit], [second]);
        expect(await send(one, 'answer', 'first')).toEqual([1, 2]);
        await one.app.get(Audit).calls.over('first');
        expect(one.app.get(SecondAudit).calls.all).toEqual([]);
        expect(one.app.get(SecondAudit).listenings).toEqual([]);
        expect(one.app.get(getStreambackServerToken('second'))).toBeInstanceOf(StreambackServer);
      });

      it.runIf(hasMembers)('what goes to another member is told as revoked', async () => {
        const options = fresh();
        const one = await start(options, [Audit]);
        const two = await start(options, [Audit]);
        const revoked = (): string[] => one.app.get(Audit).rebalances.flatMap((change) => change.revoked.map(({ topic, partition }) => `${topic}/${partition}`)); // prettier-ignore
        const assigned = (): string[] => two.app.get(Audit).rebalances.flatMap((change) => change.assigned.map(({ topic, partition }) => `${topic}/${partition}`)); // prettier-ignore
        await eventually('each has its half', () => assigned().length === 3, { timeoutMs: 30_000 });
        expect(revoked().toSorted()).toEqual(assigned().toSorted());
      });
    });
  });
}
