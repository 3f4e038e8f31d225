import { inspect } from 'node:util';
import {
  ConsoleLogger,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExecutionContext,
  type INestApplication,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  ParseIntPipe,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload, RpcException } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import { isObservable, lastValueFrom, map, type Observable, range, take, throwError, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import {
  Remote,
  type RemoteArguments,
  StreambackClient,
  StreambackContext,
  StreambackModule,
  type StreambackRemote,
  StreambackServer,
} from '../../../lib';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';

class Page {
  @IsInt()
  number!: number;

  next(): number {
    return this.number + 1;
  }
}

/** What guards have seen. */
const guarded: unknown[] = [];
const stopped: string[] = [];
let attempts = 0;

@Injectable()
class NotSecret implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const rpc = context.switchToRpc();
    const [argument] = rpc.getData<unknown[]>();
    guarded.push([
      context.getType(),
      context.getClass().name,
      context.getHandler().name,
      argument,
      rpc.getContext() instanceof StreambackContext,
    ]);
    return argument !== 'secret';
  }
}

class Marking implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((value) => `marked ${String(value)}`));
  }
}

class Broken extends Error {}

@Catch(Broken)
class BrokenFilter {
  catch(error: Broken): Observable<never> {
    return throwError(() => ({ filtered: error.message }));
  }
}

class Base {
  @Remote({ name: 'reports' })
  inherited(): string {
    return `by ${this.constructor.name}`;
  }
}

@Injectable()
class ReportsService extends Base {
  @Remote({ name: 'reports' })
  add(one: number, two: number): number {
    return one + two;
  }

  @Remote({ name: 'reports' })
  async promised(given: { at?: Date; list: number[] }): Promise<unknown> {
    return { type: typeof given.at, list: given.list };
  }

  @Remote({ name: 'reports' })
  async *pages(from: number, @Ctx() context: StreambackContext): AsyncGenerator<string> {
    try {
      for (let page = from; ; page++) yield `${context.getPattern()} ${page}`;
    } finally {
      stopped.push('pages');
    }
  }

  @Remote({ name: 'reports' })
  observed(count: number): Observable<number> {
    return range(1, count);
  }

  @Remote({ name: 'reports' })
  nothing(): void {}

  @Remote({ name: 'reports' })
  @UseGuards(NotSecret)
  guarded(argument: string): string {
    return `saw ${argument}`;
  }

  @Remote({ name: 'reports' })
  @UseInterceptors(Marking)
  *intercepted(): Generator<number> {
    yield 1;
    yield 2;
  }

  @Remote({ name: 'reports' })
  @UsePipes(new ValidationPipe({ transform: true, exceptionFactory: (errors) => new RpcException(errors.map(({ property }) => property)) }))
  validated(page: Page, step: number): number {
    return page.next() * step;
  }

  @Remote({ name: 'reports' })
  piped(@Payload(ParseIntPipe) count: number, text: string): string {
    return text.repeat(count);
  }

  @Remote({ name: 'reports' })
  @UseFilters(BrokenFilter)
  async filtered(): Promise<void> {
    throw new Broken('on purpose');
  }

  @Remote({ name: 'reports' })
  refused(): never {
    throw new RpcException('not today');
  }

  @Remote({ name: 'reports' })
  broken(): never {
    throw new Broken('of itself');
  }

  hidden(): string {
    return 'nobody calls this from outside';
  }
}

@Injectable()
class BillingService {
  @Remote({ name: 'billing', retry: { times: 2, delayMs: 10 } })
  flaky(): number {
    attempts += 1;
    if (attempts < 3) throw new Error('not yet');
    return attempts;
  }
}

@Injectable()
class OfTheGroup {
  @Remote()
  name(): string {
    return 'of the group';
  }
}

const logged: unknown[] = [];

class Noting extends ConsoleLogger {
  override error(message: unknown): void {
    logged.push(message);
  }
  override warn(): void {}
  override log(): void {}
  override debug(): void {}
}

/** Asks for what others ask any provider for. */
@Injectable()
class Caller {
  constructor(@Inject('REPORTS') readonly reports: StreambackRemote<ReportsService>) {}
}

/** `@Remote` and `client.remote()`, whatever the streams are. @param tellsAbsence whether the main stream tells that nobody has ever listened */
export function remoteSuite(title: string, streams: () => string, { tellsAbsence }: { tellsAbsence: boolean }): void {
  describe(title, () => {
    let app: INestApplication;
    let client: StreambackClient;
    let reports: StreambackRemote<ReportsService>;
    const group = freshName('remote');

    beforeAll(async () => {
      @Module({
        imports: [StreambackModule.forRoot({ group, streams: streams(), topicsPrefix: group, isGlobal: true, kafka: { partitions: 1 } })],
        providers: [
          ReportsService,
          { provide: 'ALIAS', useExisting: ReportsService },
          BillingService,
          OfTheGroup,
          Caller,
          {
            provide: 'REPORTS',
            inject: [StreambackClient],
            useFactory: (made: StreambackClient) => made.remote<ReportsService>('reports'),
          },
        ],
      })
      class AppModule {}
      app = await NestFactory.create(AppModule, { logger: new Noting() });
      app.connectMicroservice({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
      await app.init();
      client = app.get(StreambackClient);
      reports = app.get(Caller).reports;
    });
    afterAll(async () => {
      await app?.close();
    });

    const one = <Value>(answers: Observable<Value>): Promise<Value> => lastValueFrom(answers);

    it('calls a method with its arguments, typed as it is', async () => {
      const sum = reports.add(2, 3);
      expectTypeOf(sum).toEqualTypeOf<Observable<number>>();
      expect(await one(sum)).toBe(5);
      expect(await one(sum)).toBe(5);
      expect(await one(reports.inherited())).toBe('by ReportsService');
      expectTypeOf(reports.promised).parameters.toEqualTypeOf<[{ at?: Date; list: number[] }]>();
      expectTypeOf<RemoteArguments<[id: number, context: StreambackContext]>>().toEqualTypeOf<[id: number]>();
      expectTypeOf<RemoteArguments<[id: number, any: any]>>().toEqualTypeOf<[id: number, any: any]>();
      expectTypeOf<RemoteArguments<[]>>().toEqualTypeOf<[]>();
    });

    it('arguments and results are data', async () => {
      expect(await one(reports.promised({ at: new Date(0), list: [1, 2] }))).toEqual({ type: 'string', list: [1, 2] });
      await expect(one(reports.add(1n as never, 2))).rejects.toMatchObject({ code: 'NOT_SERIALIZABLE' });
    });

    it('streams what a generator or an Observable gives, and stops it', async () => {
      const pages = reports.pages(7);
      expectTypeOf(pages).toEqualTypeOf<Observable<string>>();
      expect(await one(pages.pipe(take(3), toArray()))).toEqual([7, 8, 9].map((page) => `streamback.remote.reports ${page}`));
      await eventually('stopped', () => stopped.length === 1);
      expect(await one(reports.observed(3).pipe(toArray()))).toEqual([1, 2, 3]);
      expect(await one(reports.nothing().pipe(toArray()))).toEqual([]);
    });

    it('is cold, and no promise', async () => {
      expect(isObservable(reports.add(1, 2))).toBe(true);
      expect((reports as unknown as { then: unknown }).then).toBeUndefined();
      expect(await (reports as unknown as Promise<unknown>)).toBe(reports);
      expect([JSON.stringify({ reports }), typeof inspect(reports), String(Object.keys(reports))]).toEqual([
        '{"reports":{}}',
        'string',
        '',
      ]);
    });

    it('guards see the arguments and the context', async () => {
      expect(await one(reports.guarded('this'))).toBe('saw this');
      await expect(one(reports.guarded('secret'))).rejects.toEqual({ status: 'error', message: 'Forbidden resource' });
      expect(guarded).toEqual(['this', 'secret'].map((argument) => ['rpc', 'ReportsService', 'guarded', argument, true]));
    });

    it('interceptors see each value', async () => {
      expect(await one(reports.intercepted().pipe(toArray()))).toEqual(['marked 1', 'marked 2']);
    });

    it('pipes make DTOs of arguments, refuse them, and take single ones', async () => {
      expect(await one(reports.validated({ number: 4 } as Page, 10))).toBe(50);
      await expect(one(reports.validated({ number: 'x' } as never, 1))).rejects.toEqual(['number']);
      expect(await one(reports.piped('3' as never, 'ab'))).toBe('ababab');
    });

    it('filters make something else of an error; else it arrives as from any handler', async () => {
      await expect(one(reports.filtered())).rejects.toEqual({ filtered: 'on purpose' });
      await expect(one(reports.refused())).rejects.toEqual({ status: 'error', message: 'not today' });
      // What a handler has to say to its caller is not logged.
      expect(logged).toEqual([]);
      await expect(one(reports.broken())).rejects.toEqual({ status: 'error', message: 'Internal server error' });
      expect(logged).toEqual([expect.any(Broken)]);
    });

    it('a method is tried again as its options say', async () => {
      expect(await one(client.remote<BillingService>('billing').flaky())).toBe(3);
    });

    it('without a name it is the group’s', async () => {
      expect(await one(client.remote<OfTheGroup>(group).name())).toBe('of the group');
    });

    it.each(['missing', 'hidden', 'constructor', '__proto__', 'hasOwnProperty'])(
      'errs NO_LISTENER at once for %s, which is not remote',
      async (method) => {
        const began = Date.now();
        const absent = reports as unknown as Record<string, () => Observable<unknown>>;
        await expect(one(absent[method]!())).rejects.toMatchObject({
          code: 'NO_LISTENER',
          message: `There is no remote method '${method}' of 'reports' in the process that got the call`,
          remedy: expect.stringContaining('Check the name of the method'),
        });
        expect(Date.now() - began).toBeLessThan(5_000);
      },
    );

    it('errs NO_LISTENER for what is no call at all', async () => {
      for (const data of [1, {}, { method: 'add' }, { method: {}, args: [] }]) {
        await expect(one(client.send('streamback.remote.reports', data))).rejects.toMatchObject({ code: 'NO_LISTENER' });
      }
    });

    it.runIf(tellsAbsence)('errs NO_LISTENER, soon, for a name that no service has', async () => {
      const began = Date.now();
      await expect(one(client.remote<ReportsService>('nobody').add(1, 2))).rejects.toMatchObject({
        code: 'NO_LISTENER',
        remedy: expect.stringContaining('Check the name'),
      });
      expect(Date.now() - began).toBeLessThan(15_000);
    });

    it('a call has the options that its proxy was given, which are checked', async () => {
      const hurried = client.remote<ReportsService>('reports', { timeoutMs: 1_000, key: 'k' });
      expect(await one(hurried.add(1, 1))).toBe(2);
      expect(() => client.remote('reports', { timeout: 1 } as never)).toThrow("Did you mean 'record.timeoutMs'?");
      expect(() => client.remote('')).toThrow("'remote.name' must be a string that is not empty");
    });
  });
}
