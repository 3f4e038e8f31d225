import { AsyncLocalStorage } from 'node:async_hooks';
import { Controller, HttpException, type INestApplication, Injectable, Module, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { firstValueFrom, from, interval, lastValueFrom, map, mergeMap, Observable, take, throwError, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  listener,
  StreambackClient,
  StreambackContext,
  StreambackModule,
  StreambackRecord,
  StreambackRecordBuilder,
  StreambackServer,
  type StreambackStreams,
} from '../../../lib';
import { freshName } from '../../support/fresh-name';

const eventsSeen: string[] = [];
const pulled = new Map<string, number>();
const working = { now: 0, most: 0 };
const attempts = new Map<string, number>();
const DEAD_LETTERS = 'put.aside';
const told = new Map<string, (value: unknown) => void>();
const tell = (what: string, value: unknown): void => told.get(what)?.(value);
const hear = <Value>(what: string): Promise<Value> => new Promise((resolve) => told.set(what, resolve as (value: unknown) => void));

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  private static count = 0;
  readonly number = ++PerRequest.count;
}

@Controller()
class AnswersController {
  @MessagePattern('value')
  value(data: { n: number }): { twice: number } {
    return { twice: data.n * 2 };
  }

  @MessagePattern('promise')
  async promise(data: { n: number }): Promise<number> {
    return data.n + 1;
  }

  @MessagePattern({ cmd: 'object', version: 2 })
  object(): string {
    return 'by object';
  }

  @MessagePattern('größe: 100%')
  illegalCharacters(): string {
    return 'escaped';
  }

  @MessagePattern('observable')
  observable(count: number): Observable<number> {
    return interval(1).pipe(take(count));
  }

  @MessagePattern('array')
  array(): number[] {
    return [1, 2, 3];
  }

  @MessagePattern('iterable')
  iterable(): Iterable<number> {
    return {
      *[Symbol.iterator]() {
        yield* [1, 2, 3];
      },
    };
  }

  @MessagePattern('generator')
  *generator(count: number): Generator<number> {
    for (let n = 0; n < count; n++) yield n;
  }

  @MessagePattern('async-generator')
  async *asyncGenerator(count: number): AsyncGenerator<number> {
    for (let n = 0; n < count; n++) yield n;
  }

  @MessagePattern('promised-generator')
  async promisedGenerator(count: number): Promise<AsyncGenerator<number>> {
    return this.asyncGenerator(count);
  }

  @MessagePattern('nothing')
  nothing(): void {}

  @MessagePattern('null')
  null(): null {
    return null;
  }

  @MessagePattern('falsy')
  *falsy(): Generator<unknown> {
    yield* [0, false, '', null];
  }

  @MessagePattern('respond')
  async respond(@Payload() count: number, @Ctx() context: StreambackContext): Promise<string> {
    for (let n = 0; n < count; n++) await context.respond(n);
    return 'last';
  }

  @MessagePattern('context')
  context(@Ctx() context: StreambackContext): unknown {
    return {
      pattern: context.getPattern(),
      key: context.getKey(),
      headers: context.getHeaders(),
      attempt: context.getAttempt(),
      sourceGroup: context.getSourceGroup(),
      hasDeadline: context.getRemainingMs() !== Infinity,
      id: context.getId(),
    };
  }

  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data === null ? 'it was null' : data;
  }

  @MessagePattern('rpc-text')
  rpcText(): never {
    throw new RpcException('as text');
  }

  @MessagePattern('rpc-object')
  rpcObject(): never {
    throw new RpcException({ code: 7, reason: 'as object' });
  }

  @MessagePattern('error')
  error(): never {
    throw new Error('secret inner reason');
  }

  @MessagePattern('http')
  http(): never {
    throw new HttpException('teapot', 418);
  }

  @MessagePattern('failing-observable')
  failingObservable(): Observable<number> {
    return new Observable((subscriber) => {
      subscriber.next(1);
      subscriber.next(2);
      subscriber.error(new RpcException('broken'));
    });
  }

  @MessagePattern('failing-generator')
  async *failingGenerator(): AsyncGenerator<number> {
    yield 1;
    throw new RpcException('generator broke');
  }

  @MessagePattern('thrown-observable')
  thrownObservable(): Observable<never> {
    return throwError(() => new Error('inner'));
  }

  @MessagePattern('cyclic-answer')
  cyclicAnswer(): unknown {
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    return cyclic;
  }

  @EventPattern('event')
  event(@Payload() data: { id: string }): void {
    eventsSeen.push(`one:${data.id}`);
    tell(`event:one:${data.id}`, data);
  }

  @EventPattern('event')
  async otherEvent(@Payload('id') id: string): Promise<void> {
    eventsSeen.push(`two:${id}`);
    tell(`event:two:${id}`, id);
  }

  @EventPattern<string>('failing-event')
  failingEvent(): never {
    throw new Error('the event handler fails');
  }

  @EventPattern<string>('failing-event', listener({ concurrency: 2 }))
  besideFailing(@Payload() data: { id: string }): void {
    tell(`beside:${data.id}`, data);
  }

  @MessagePattern('silent')
  async silent(@Payload() id: string, @Ctx() context: StreambackContext): Promise<void> {
    tell(`begun:${id}`, undefined);
    await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
    tell(`ended:${id}`, (context.signal.reason as { code?: string }).code);
  }

  @MessagePattern('unstoppable', listener({ cancellable: false }))
  async unstoppable(@Payload() id: string, @Ctx() context: StreambackContext): Promise<void> {
    const finish = hear(`finish:${id}`);
    await context.respond('begun');
    await finish;
    tell(`ended:${id}`, context.signal.aborted);
  }

  @MessagePattern('one-by-one', listener({ concurrency: 1 }))
  async oneByOne(@Payload() data: { id: string; wait: boolean }): Promise<string> {
    tell(`begun:${data.id}`, undefined);
    if (data.wait) await hear(`finish:${data.id}`);
    return data.id;
  }

  @MessagePattern('deadline')
  async *deadline(@Ctx() context: StreambackContext): AsyncGenerator<number> {
    yield Math.round(context.getRemainingMs());
  }

  @MessagePattern('working', listener({ concurrency: 1 }))
  async working(@Payload() id: string, @Ctx() context: StreambackContext): Promise<void> {
    working.most = Math.max(working.most, ++working.now);
    await context.respond('begun');
    await new Promise((resolve) => setTimeout(resolve, 100));
    working.now -= 1;
    tell(`ended:${id}`, undefined);
  }

  @EventPattern<string>('backlog', listener({ concurrency: 1 }))
  async backlog(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  @MessagePattern('flaky', listener({ retry: { times: 2, delayMs: 10, jitter: 0 }, deadLetterTopic: `${DEAD_LETTERS}.requests` }))
  async flaky(@Payload() data: { id: string; fails: number }, @Ctx() context: StreambackContext): Promise<string> {
    attempts.set(data.id, context.getAttempt());
    if (context.getAttempt() <= data.fails) throw new Error(`try ${context.getAttempt()}`);
    return `at try ${context.getAttempt()}`;
  }

  @MessagePattern('refusing', listener({ retry: { times: 2, delayMs: 10 } }))
  refusing(@Payload() id: string, @Ctx() context: StreambackContext): never {
    attempts.set(id, context.getAttempt());
    throw new RpcException('an answer');
  }

  @EventPattern<string>(
    'flaky-event',
    listener({ retry: { times: 1, delayMs: 10, on: [TypeError] }, deadLetterTopic: `${DEAD_LETTERS}.events` }),
  )
  flakyEvent(@Payload() data: { id: string; type: boolean }, @Ctx() context: StreambackContext): void {
    attempts.set(data.id, context.getAttempt());
    throw data.type ? new TypeError('tried again') : new Error('not tried again');
  }

  @EventPattern<string[]>([`${DEAD_LETTERS}.requests`, `${DEAD_LETTERS}.events`])
  letter(@Payload() data: { id: string }, @Ctx() context: StreambackContext): void {
    tell(`letter:${data.id}`, context.getHeaders());
  }

  @MessagePattern('pulled')
  async *pulled(@Payload() id: string): AsyncGenerator<number> {
    for (let n = 0; n < 20_000; n++) {
      pulled.set(id, n + 1);
      yield n;
    }
  }

  @MessagePattern('unslowed', listener({ maxBuffered: 500 }))
  unslowed(@Payload() id: string): Observable<number> {
    return new Observable((subscriber) => {
      for (let n = 0; n < 2_000 && !subscriber.closed; n++) subscriber.next(n);
      subscriber.complete();
      return () => tell(`ended:${id}`, 'torn down');
    });
  }

  @MessagePattern('slow-generator')
  async *slowGenerator(@Payload() id: string, @Ctx() context: StreambackContext): AsyncGenerator<number> {
    try {
      for (let n = 0; ; n++) {
        yield n;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } finally {
      tell(`ended:${id}`, (context.signal.reason as { code?: string } | undefined)?.code);
    }
  }
}

@Controller()
class RequestScopedController {
  constructor(private readonly perRequest: PerRequest) {}

  @MessagePattern('request-scoped')
  scoped(): number {
    return this.perRequest.number;
  }

  @MessagePattern('request-scoped-generator')
  async *scopedGenerator(): AsyncGenerator<number> {
    yield this.perRequest.number;
    yield this.perRequest.number;
  }
}

/** What a Nest app can expect of answers, whatever the streams are. */
export function answersSuite(title: string, streams: () => string | StreambackStreams): void {
  describe(title, () => {
    let app: INestApplication;
    let client: StreambackClient;
    const group = freshName('answers');

    beforeAll(async () => {
      @Module({
        imports: [StreambackModule.forRoot({ group, streams: streams(), topicsPrefix: group, kafka: { partitions: 2 } })],
        controllers: [AnswersController, RequestScopedController],
        providers: [PerRequest],
      })
      class AppModule {}
      app = await NestFactory.create(AppModule, { logger: false });
      app.connectMicroservice({ strategy: app.get(StreambackServer) }, { inheritAppConfig: true });
      await app.startAllMicroservices();
      await app.init();
      client = app.get(StreambackClient);
    });
    afterAll(async () => {
      await app?.close();
    });

    const all = (pattern: unknown, data: unknown = {}): Promise<unknown[]> => lastValueFrom(client.send(pattern, data).pipe(toArray()));
    const errorOf = (pattern: string, data: unknown = {}): Promise<unknown> =>
      all(pattern, data).then(
        (got) => ({ got }),
        (error: unknown) => error,
      );

    it.each<[string, unknown, unknown, unknown[]]>([
      ['a value', 'value', { n: 4 }, [{ twice: 8 }]],
      ['a promise', 'promise', { n: 4 }, [5]],
      ['a value for an object pattern', { version: 2, cmd: 'object' }, {}, ['by object']],
      ['a value for a pattern that is no topic name', 'größe: 100%', {}, ['escaped']],
      ['an Observable', 'observable', 5, [0, 1, 2, 3, 4]],
      ['an array as one answer', 'array', {}, [[1, 2, 3]]],
      ['an iterable', 'iterable', {}, [1, 2, 3]],
      ['a generator', 'generator', 4, [0, 1, 2, 3]],
      ['an async generator', 'async-generator', 1_000, Array.from({ length: 1_000 }, (_, n) => n)],
      ['a promise of a generator', 'promised-generator', 3, [0, 1, 2]],
      ['nothing', 'nothing', {}, []],
      ['null', 'null', {}, [null]],
      ['falsy values', 'falsy', {}, [0, false, '', null]],
      ['what was responded, and the return value', 'respond', 300, [...Array.from({ length: 300 }, (_, n) => n), 'last']],
    ])('answers with %s', async (_what, pattern, data, expected) => {
      expect(await all(pattern, data)).toEqual(expected);
    });

    it.each<[string, string, unknown]>([
      ['an RpcException with text', 'rpc-text', { status: 'error', message: 'as text' }],
      ['an RpcException with an object', 'rpc-object', { code: 7, reason: 'as object' }],
      ['an Error, of which nothing is told', 'error', { status: 'error', message: 'Internal server error' }],
      ['an HttpException', 'http', { status: 'error', message: 'Internal server error' }],
      ['an Observable that throws an Error', 'thrown-observable', { status: 'error', message: 'Internal server error' }],
    ])('errs as other transports do with %s', async (_what, pattern, expected) => {
      expect(await errorOf(pattern)).toEqual(expected);
    });

    it.each([
      ['Observable', 'failing-observable', [1, 2], 'broken'],
      ['generator', 'failing-generator', [1], 'generator broke'],
    ])('gives what a failing %s answered before its error', async (_what, pattern, before, message) => {
      const got: unknown[] = [];
      const error = await new Promise((resolve) =>
        client.send(pattern, {}).subscribe({ next: (value) => got.push(value), error: resolve }),
      );
      expect(got).toEqual(before);
      expect(error).toEqual({ status: 'error', message });
    });

    it('tells the caller that an answer cannot be sent', async () => {
      expect(await errorOf('cyclic-answer')).toMatchObject({ name: 'StreambackPublishError', code: 'NOT_SERIALIZABLE' });
    });

    it('is cold: each subscription is a request', async () => {
      const answers = client.send<string>('context', {}).pipe(map((context: any) => context.id as string));
      expect(await firstValueFrom(answers)).not.toBe(await firstValueFrom(answers));
    });

    it('carries key, headers, deadline and group', async () => {
      const record = new StreambackRecordBuilder({}).setKey('k7').setHeaders({ tenant: 'a' }).setTimeoutMs(5_000).build();
      expect(await all('context', record)).toEqual([
        expect.objectContaining({
          pattern: 'context',
          key: 'k7',
          headers: { tenant: 'a' },
          attempt: 1,
          sourceGroup: group,
          hasDeadline: true,
        }),
      ]);
    });

    it('sends null in a record', async () => {
      expect(await all('echo', new StreambackRecord(null))).toEqual(['it was null']);
    });

    it('runs all event handlers of a pattern', async () => {
      const id = freshName('e');
      const seen = Promise.all([hear(`event:one:${id}`), hear(`event:two:${id}`)]);
      client.emit('event', { id });
      expect(await seen).toEqual([{ id }, id]);
    });

    it('runs the other event handlers when one fails', async () => {
      const id = freshName('e');
      const seen = hear(`beside:${id}`);
      client.emit('failing-event', { id });
      expect(await seen).toEqual({ id });
    });

    it('emit gives one value and completes once the broker has the event', async () => {
      expect(await lastValueFrom(client.emit('event', { id: freshName('e') }).pipe(toArray()))).toEqual([undefined]);
    });

    it('makes request-scoped providers for each request, kept for the whole of a stream', async () => {
      const [one] = await all('request-scoped');
      const [two] = await all('request-scoped');
      expect(two).not.toBe(one);
      const [first, second] = await all('request-scoped-generator');
      expect(first).toBe(second);
    });

    it('stops the handler when nobody wants its answers any more', async () => {
      const id = freshName('s');
      const ended = hear<string>(`ended:${id}`);
      await firstValueFrom(client.send('slow-generator', id).pipe(take(1)));
      expect(await ended).toBe('CANCELLED');
    });

    it('stops the handlers of a client that closes', async () => {
      const id = freshName('s');
      const ended = hear<string>(`ended:${id}`);
      const other = new StreambackClient({ group: freshName('other'), streams: streams(), topicsPrefix: group });
      const outcome = new Promise((resolve) =>
        other.send('slow-generator', id).subscribe({ next: () => void other.close(), error: resolve }),
      );
      expect(await outcome).toMatchObject({ code: 'CLOSED' });
      // Its cancel and the end of its inbox are on two ways: whichever the handler's process hears of first.
      expect(['CANCELLED', 'CLIENT_LOST']).toContain(await ended);
    });

    it('F6: stops a handler that has not answered yet', async () => {
      const id = freshName('s');
      const [begun, ended] = [hear(`begun:${id}`), hear<string>(`ended:${id}`)];
      const subscription = client.send('silent', id).subscribe();
      await begun;
      subscription.unsubscribe();
      expect(await ended).toBe('CANCELLED');
    });

    it('F6: lets a handler finish that must', async () => {
      const id = freshName('s');
      const ended = hear<boolean>(`ended:${id}`);
      expect(await firstValueFrom(client.send('unstoppable', id))).toBe('begun');
      // A further call there and back: the cancel, which went before it, has arrived.
      await all('value', { n: 1 });
      tell(`finish:${id}`, undefined);
      expect(await ended).toBe(false);
    });

    it('F6: a request that was cancelled while it waited is never started', async () => {
      const [first, second, third] = [freshName('q'), freshName('q'), freshName('q')];
      const begun = hear(`begun:${first}`);
      const started: string[] = [];
      for (const id of [second, third]) void hear(`begun:${id}`).then(() => started.push(id));
      const running = all('one-by-one', { id: first, wait: true });
      await begun;
      const waiting = client.send('one-by-one', { id: second, wait: false }).subscribe();
      const last = all('one-by-one', { id: third, wait: false });
      // What waits is looked up only when it has waited for a moment.
      await new Promise((resolve) => setTimeout(resolve, 400));
      waiting.unsubscribe();
      await all('value', { n: 1 });
      tell(`finish:${first}`, undefined);
      expect([await running, await last, started]).toEqual([[first], [third], [third]]);
    });

    it('M4: cancelling does not lift the limit on handlers side by side', async () => {
      working.most = 0;
      const ids = Array.from({ length: 5 }, () => freshName('w'));
      const ended = Promise.all(ids.map((id) => hear(`ended:${id}`)));
      await Promise.all(ids.map((id) => firstValueFrom(client.send('working', new StreambackRecordBuilder(id).setKey('same').build()))));
      await ended;
      expect(working.most).toBe(1);
    });

    it('M7: the backlog of one pattern does not keep another from being answered', async () => {
      for (let n = 0; n < 1_500; n++) client.emit('backlog', { n });
      await lastValueFrom(client.emit('backlog', { n: 'last' }));
      const startedAt = performance.now();
      for (let n = 0; n < 10; n++) await all('value', { n });
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    });

    it('F7: a deadline is inherited by what a subscriber sends, and by nothing else', async () => {
      const [remaining] = await all('deadline', new StreambackRecordBuilder({}).setTimeoutMs(5_000).build());
      expect(remaining).toBeGreaterThan(3_000);
      const storage = new AsyncLocalStorage<string>();
      const seen = await storage.run('mine', () =>
        lastValueFrom(
          client.send('value', { n: 1 }).pipe(
            mergeMap(() => client.send('value', { n: 2 })),
            map(() => storage.getStore()),
          ),
        ),
      );
      expect(seen).toBe('mine');
    });

    it('tries again what failed, and answers when it succeeds', async () => {
      const id = freshName('r');
      expect(await all('flaky', { id, fails: 2 })).toEqual(['at try 3']);
    });

    it('R6: puts a request aside when its tries are used up, with bytes, key and headers, and errs', async () => {
      const id = freshName('r');
      const letter = hear<Record<string, string>>(`letter:${id}`);
      const record = new StreambackRecordBuilder({ id, fails: 9 }).setKey('k').setHeaders({ tenant: 'a' }).build();
      await expect(all('flaky', record)).rejects.toEqual({ status: 'error', message: 'Internal server error' });
      expect(attempts.get(id)).toBe(3);
      expect(await letter).toMatchObject({
        tenant: 'a',
        'streamback-code': 'HANDLER_FAILED',
        'streamback-attempts': '3',
        'streamback-message': expect.stringContaining('Error: try 3'),
        'streamback-topic': expect.stringContaining('flaky'),
      });
    });

    it('an RpcException is an answer, neither tried again nor put aside', async () => {
      const id = freshName('r');
      await expect(all('refusing', id)).rejects.toEqual({ status: 'error', message: 'an answer' });
      expect(attempts.get(id)).toBe(1);
    });

    it.each([
      [true, 2],
      [false, 1],
    ])('puts an event aside when its tries are used up; which errors are tried again can be said (%s)', async (type, tries) => {
      const id = freshName('r');
      const letter = hear<Record<string, string>>(`letter:${id}`);
      client.emit('flaky-event', { id, type });
      expect(await letter).toMatchObject({ 'streamback-attempts': String(tries) });
      expect(attempts.get(id)).toBe(tries);
    });

    it('F5: a slow reader slows a pulling handler, and still gets everything in order', async () => {
      const id = freshName('p');
      const lane = client.open<number>('pulled', new StreambackRecordBuilder(id).setCredit(10).build());
      for (let n = 0; n < 5; n++) expect(await lane.read()).toBe(n);
      await all('value', { n: 1 });
      const ahead = pulled.get(id)! - 5;
      expect(ahead).toBeLessThanOrEqual(50);
      let next = 5;
      for await (const n of lane) if (n === next) next += 1;
      expect([next, pulled.get(id)]).toEqual([20_000, 20_000]);
    });

    it('F5: what cannot be slowed is held up to a limit, then errs', async () => {
      const id = freshName('u');
      const ended = hear<string>(`ended:${id}`);
      const lane = client.open<number>('unslowed', new StreambackRecordBuilder(id).setCredit(10).build());
      expect(await ended).toBe('torn down');
      const got: unknown[] = [];
      const error = await (async () => {
        for await (const n of lane) got.push(n);
      })().catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code: 'OVERFLOW', retryable: false });
      expect(got).toEqual(Array.from({ length: got.length }, (_, n) => n));
    });

    describe('open()', () => {
      it('reads answers one by one and then undefined', async () => {
        const lane = client.open<number>('generator', 3);
        expect([await lane.read(), await lane.read(), await lane.read(), await lane.read(), await lane.read()]).toEqual([
          0,
          1,
          2,
          undefined,
          undefined,
        ]);
        expect(lane.group).toBe(group);
        expect(lane.attempt).toBe(1);
      });

      it('can be iterated; leaving closes it', async () => {
        const id = freshName('s');
        const ended = hear<string>(`ended:${id}`);
        const lane = client.open<number>('slow-generator', id);
        const got: number[] = [];
        for await (const answer of lane) {
          got.push(answer);
          if (got.length === 3) break;
        }
        expect(got).toEqual([0, 1, 2]);
        expect(await ended).toBe('CANCELLED');
        expect(await lane.read()).toBeUndefined();
      });

      it('errs where the handler did', async () => {
        const lane = client.open('failing-generator', {});
        expect(await lane.read()).toBe(1);
        await expect(lane.read()).rejects.toEqual({ status: 'error', message: 'generator broke' });
        await expect(lane.read()).rejects.toEqual({ status: 'error', message: 'generator broke' });
      });

      it('stays open when a read has timed out', async () => {
        const lane = client.open<number>('observable', 2);
        await expect(client.open('respond', 0).read({ timeoutMs: 10_000 })).resolves.toBe('last');
        const never = client.open<number>(`nobody.${freshName('x')}`, {});
        await expect(never.read({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'READ_TIMEOUT', retryable: true });
        never.close();
        expect(await lane.read()).toBe(0);
        lane.close();
      });
    });

    it('errs with what was waited for when time runs out', async () => {
      const record = new StreambackRecordBuilder(freshName('s')).setTimeoutMs(120).build();
      const outcome = await errorOf('slow-generator', record);
      expect(outcome).toMatchObject({ name: 'StreambackTimeoutError', code: 'DEADLINE_EXCEEDED', waitingFor: 'next-answer' });
    });

    it('refuses what cannot be sent', async () => {
      const cyclic: Record<string, unknown> = {};
      cyclic.self = cyclic;
      expect(await errorOf('echo', cyclic)).toMatchObject({ code: 'NOT_SERIALIZABLE', retryable: false });
      expect(await errorOf('echo', { big: 1n })).toMatchObject({ code: 'NOT_SERIALIZABLE' });
      expect(await errorOf('echo', 'x'.repeat(1_000_001))).toMatchObject({
        code: 'TOO_LARGE',
        message: expect.stringContaining('maxMessageBytes'),
      });
      await expect(lastValueFrom(client.emit('event', { big: 1n }))).rejects.toMatchObject({ code: 'NOT_SERIALIZABLE' });
    });

    it('answers 2,000 requests in flight, each with its own', async () => {
      const wanted = Array.from({ length: 2_000 }, (_, n) => n);
      const got = await lastValueFrom(
        from(wanted).pipe(
          (numbers) =>
            new Observable<[number, unknown]>((subscriber) => {
              let open = wanted.length;
              numbers.subscribe((n) =>
                client.send('echo', { n }).subscribe({
                  next: (answer) => subscriber.next([n, answer]),
                  error: (error) => subscriber.error(error),
                  complete: () => --open === 0 && subscriber.complete(),
                }),
              );
            }),
          toArray(),
        ),
      );
      const wrong = got.filter(([n, answer]) => (answer as { n: number }).n !== n);
      expect({ answered: new Set(got.map(([n]) => n)).size, twice: got.length - wanted.length, wrong: wrong.length }).toEqual({
        answered: 2_000,
        twice: 0,
        wrong: 0,
      });
    });
  });
}
