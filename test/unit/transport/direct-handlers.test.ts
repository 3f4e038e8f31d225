import {
  Catch,
  Controller,
  createParamDecorator,
  Injectable,
  Module,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type INestMicroservice,
  type NestInterceptor,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { InterceptorsConsumer } from '@nestjs/core/interceptors/interceptors-consumer.js';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException, Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { RpcContextCreator } from '@nestjs/microservices/context/rpc-context-creator.js';
import { RpcProxy } from '@nestjs/microservices/context/rpc-proxy.js';
import { from, isObservable, lastValueFrom, of, throwError, toArray, type Observable } from 'rxjs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { StreambackContext } from '../../../lib';
import type { Run } from '../../../lib/consumer/run';
import { callDirectly, isKnown } from '../../../lib/transport/direct-handlers';

type Handler = (data: unknown, context: unknown) => unknown;

/** A transport that does nothing but be given its handlers. */
class Given extends Server implements CustomTransportStrategy {
  readonly handlers = new Map<string, Handler>();
  override addHandler(pattern: any, callback: any): void {
    this.handlers.set(pattern as string, callback as Handler);
  }
  listen(callback: () => void): void {
    callback();
  }
  close(): void {}
  on(): void {}
  unwrap<T>(): T {
    return undefined as T;
  }
}

const apps: INestMicroservice[] = [];

async function handlersOf(
  metadata: { controllers: Type[]; providers?: any[] },
  configure?: (app: INestMicroservice) => void,
): Promise<Map<string, Handler>> {
  @Module(metadata)
  class AppModule {}
  const strategy = new Given();
  const app = await NestFactory.createMicroservice(AppModule, { strategy, logger: false });
  configure?.(app);
  await app.listen();
  apps.push(app);
  return strategy.handlers;
}

const streamback = (): StreambackContext => new StreambackContext({ message: {} } as Run, 'p', 'default');
const another = (): object => ({ getArgs: () => [] });

/** What a handler gives, whatever its form. */
async function outcomeOf(handler: Handler, data: unknown, context: unknown): Promise<unknown> {
  const values = async (given: unknown): Promise<unknown> => {
    const result = await given;
    return isObservable(result) ? { values: await lastValueFrom((result as Observable<unknown>).pipe(toArray())) } : { value: result };
  };
  try {
    return await values(handler(data, context));
  } catch (error) {
    return { error };
  }
}

class Refused extends Error {}

@Catch(Refused)
class RefusedFilter implements ExceptionFilter {
  catch(error: Refused): Observable<string> {
    return of(`filtered ${error.message}`);
  }
}

class Broken extends Error {}

@Catch(Broken)
class BrokenFilter implements ExceptionFilter {
  catch(error: Broken): never {
    throw new RpcException(`of the filter: ${error.message}`);
  }
}

@Controller()
@UseFilters(RefusedFilter, BrokenFilter)
class Plain {
  @MessagePattern('value') value(@Payload() data: { n: number }): number {
    return data.n;
  }
  @MessagePattern('nothing') nothing(): void {}
  @MessagePattern('undecorated') undecorated(...args: unknown[]): unknown {
    return { data: args[0], args: args.length };
  }
  @MessagePattern('gap') gap(_first: unknown, @Payload('n') n: number): unknown {
    return { first: _first, n };
  }
  @MessagePattern('both') both(@Ctx() context: unknown, @Payload() data: unknown): unknown {
    return { isContext: typeof context === 'object', data };
  }
  @MessagePattern('promise') promise(): Promise<string> {
    return Promise.resolve('promised');
  }
  @MessagePattern('thenable') thenable(): unknown {
    return { ['then' as string]: (resolve: (value: string) => void) => resolve('then') };
  }
  @MessagePattern('observable') observable(): Observable<number> {
    return from([1, 2, 3]);
  }
  @MessagePattern('later') later(): Promise<Observable<number>> {
    return Promise.resolve(from([1, 2]));
  }
  @MessagePattern('throws') throws(): never {
    throw new RpcException('told');
  }
  @MessagePattern('unexpected') unexpected(): never {
    throw new Error('not told');
  }
  @MessagePattern('rejects') rejects(): Promise<never> {
    return Promise.reject(new RpcException({ code: 7 }));
  }
  @MessagePattern('errs') errs(): Observable<never> {
    return throwError(() => new RpcException('erred'));
  }
  @MessagePattern('filtered') filtered(): never {
    throw new Refused('throw');
  }
  @MessagePattern('filtered-rejection') filteredRejection(): Promise<never> {
    return Promise.reject(new Refused('rejection'));
  }
  @MessagePattern('filtered-stream') filteredStream(): Observable<never> {
    return throwError(() => new Refused('stream'));
  }
  @MessagePattern('broken-filter') brokenFilter(): never {
    throw new Broken('broken');
  }
  @EventPattern('event') event(@Payload() data: { n: number }): number {
    return data.n;
  }
  @EventPattern('event-throws') eventThrows(@Payload() _data: unknown): unknown {
    throw new RpcException('event');
  }
}

/** Says what it saw, so that one that is passed by is noticed. */
const seen: string[] = [];
const guard: CanActivate = { canActivate: () => seen.push('guard') > 0 };
const pipe: PipeTransform = { transform: (value: unknown) => (seen.push('pipe'), value) };
const interceptor: NestInterceptor = { intercept: (_context, next: CallHandler) => (seen.push('interceptor'), next.handle()) };
const Custom = createParamDecorator(() => (seen.push('decorator'), Promise.resolve('made')));

@Controller()
class Guarded {
  @UseGuards(guard) @MessagePattern('guard') guard(): void {}
  @UsePipes(pipe) @MessagePattern('pipe') pipe(@Payload() _data: unknown): void {}
  @MessagePattern('pipe-of-parameter') pipeOfParameter(@Payload(pipe) _data: unknown): void {}
  @UseInterceptors(interceptor) @MessagePattern('interceptor') interceptor(): void {}
  @MessagePattern('decorator') decorator(@Custom() made: unknown): unknown {
    return seen.push(String(made));
  }
}
@UseGuards(guard)
@Controller()
class GuardedAsAWhole {
  @MessagePattern('guard-of-class') handle(): void {}
}
@Controller()
class Open {
  @MessagePattern('open') handle(@Payload() _data: unknown): void {}
}
@Injectable({ scope: Scope.REQUEST })
class ScopedGuard implements CanActivate {
  canActivate(): boolean {
    return seen.push('guard') > 0;
  }
}
@Controller()
class ScopedlyGuarded {
  @UseGuards(ScopedGuard) @MessagePattern('scopedly-guarded') handle(): void {}
}
let made = 0;
@Injectable({ scope: Scope.REQUEST })
class Own {
  readonly number = ++made;
}
@Controller()
class Scoped {
  constructor(private readonly own: Own) {}
  @MessagePattern('scoped') handle(): number {
    return this.own.number;
  }
}

/** @returns what undoes it */
function replaced<Type extends object>(prototype: Type, name: keyof Type): () => void {
  const own = prototype[name] as (...given: unknown[]) => unknown;
  const another = function (this: unknown, ...given: unknown[]): unknown {
    return own.apply(this, given);
  };
  Object.assign(prototype, { [name]: another });
  return () => void Object.assign(prototype, { [name]: own });
}

describe('handlers that are called directly', () => {
  beforeAll(() => callDirectly());
  afterEach(async () => {
    seen.length = 0;
    await Promise.all(apps.splice(0).map((app) => app.close()));
  });

  it('gives what Nest gives in its own way, whatever the handler does', async () => {
    const handlers = await handlersOf({ controllers: [Plain] });
    expect(handlers.size).toBe(19);
    for (const [pattern, handler] of handlers) {
      const data = { n: 5 };
      const own = await outcomeOf(handler, data, another());
      expect({ pattern, ...((await outcomeOf(handler, data, streamback())) as object) }).toEqual({ pattern, ...(own as object) });
    }
    expect(await outcomeOf(handlers.get('gap')!, { n: 5 }, streamback())).toEqual({ value: { first: undefined, n: 5 } });
    expect(await outcomeOf(handlers.get('rejects')!, {}, streamback())).toEqual({ error: { code: 7 } });
    expect(await outcomeOf(handlers.get('filtered')!, {}, streamback())).toEqual({ values: ['filtered throw'] });
  });

  it('makes no promise of what is none', async () => {
    const handlers = await handlersOf({ controllers: [Plain] });
    expect(handlers.get('value')!({ n: 5 }, streamback())).toBe(5);
    expect(handlers.get('value')!({ n: 5 }, another())).toBeInstanceOf(Promise);
  });

  it.each(['guard', 'pipe', 'interceptor', 'decorator', 'guard-of-class'])('does not pass by a %s', async (pattern) => {
    const handlers = await handlersOf({ controllers: [Guarded, GuardedAsAWhole] });
    await outcomeOf(handlers.get(pattern)!, {}, streamback());
    expect(seen[0]).toBe(pattern.replace('-of-class', ''));
    if (pattern === 'decorator') expect(seen).toEqual(['decorator', 'made']);
  });

  it('does not pass by the pipe of a parameter', async () => {
    const handlers = await handlersOf({ controllers: [Guarded] });
    await outcomeOf(handlers.get('pipe-of-parameter')!, {}, streamback());
    expect(seen).toEqual(['pipe']);
  });

  it.each<[string, (app: INestMicroservice) => unknown]>([
    ['guard', (app) => app.useGlobalGuards(guard)],
    ['pipe', (app) => app.useGlobalPipes(pipe)],
    ['interceptor', (app) => app.useGlobalInterceptors(interceptor)],
  ])('does not pass by a global %s', async (what, configure) => {
    const handlers = await handlersOf({ controllers: [Open] }, configure);
    await outcomeOf(handlers.get('open')!, {}, streamback());
    expect(seen).toEqual([what]);
  });

  it('does not pass by a guard of the app, nor by hooks before requests', async () => {
    const withGuard = await handlersOf({ controllers: [Open], providers: [{ provide: APP_GUARD, useValue: guard }] });
    await outcomeOf(withGuard.get('open')!, {}, streamback());
    expect(seen).toEqual(['guard']);
    seen.length = 0;
    const withHook = await handlersOf({ controllers: [Open] }, (app) =>
      app.registerPreRequestHook((_context, next) => (seen.push('hook'), next())),
    );
    await outcomeOf(withHook.get('open')!, {}, streamback());
    expect(seen).toEqual(['hook']);
  });

  it('does not pass by guards in request scope, be they of the app or of a handler', async () => {
    const ofApp = await handlersOf({ controllers: [Open], providers: [{ provide: APP_GUARD, useClass: ScopedGuard }] });
    await outcomeOf(ofApp.get('open')!, {}, streamback());
    expect(seen).toEqual(['guard']);
    const ofHandler = await handlersOf({ controllers: [ScopedlyGuarded] });
    await outcomeOf(ofHandler.get('scopedly-guarded')!, {}, streamback());
    expect(seen).toEqual(['guard', 'guard']);
  });

  it.each<[string, () => () => void]>([
    ['a proxy', () => replaced(RpcProxy.prototype, 'create')],
    ['what asks interceptors', () => replaced(InterceptorsConsumer.prototype, 'intercept')],
  ])('calls nothing directly where somebody has put %s in the place of that of Nest', async (_what, replace) => {
    const restore = replace();
    const handlers = await handlersOf({ controllers: [Plain] });
    restore();
    expect(handlers.get('value')!({ n: 5 }, streamback())).toBeInstanceOf(Promise);
  });

  it('makes what is in request scope anew for each message', async () => {
    const handlers = await handlersOf({ controllers: [Scoped], providers: [Own] });
    const first = (await outcomeOf(handlers.get('scoped')!, {}, streamback())) as { values: number[] };
    const second = (await outcomeOf(handlers.get('scoped')!, {}, streamback())) as { values: number[] };
    expect(JSON.stringify(first)).not.toBe(JSON.stringify(second));
  });
});

describe('the way of Nest that is shortened', () => {
  it('is one that was read: that of a new version is to be read before it is added', () => {
    for (const source of [RpcContextCreator, RpcProxy, InterceptorsConsumer.prototype.intercept])
      expect(isKnown(String(source))).toBe(true);
    expect(isKnown(String(class {}))).toBe(false);
  });

  it('is left alone where somebody has changed it', () => {
    const { create } = RpcContextCreator.prototype;
    const restore = replaced(RpcContextCreator.prototype, 'create');
    const changed = RpcContextCreator.prototype.create;
    callDirectly();
    expect(RpcContextCreator.prototype.create).toBe(changed);
    restore();
    expect(RpcContextCreator.prototype.create).toBe(create);
  });
});
