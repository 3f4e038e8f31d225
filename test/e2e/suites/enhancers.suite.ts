import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExecutionContext,
  type INestApplication,
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
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { BaseRpcExceptionFilter, Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import { lastValueFrom, map, Observable, of, throwError, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StreambackClient, StreambackContext, StreambackModule, StreambackServer, type StreambackStreams } from '../../../lib';
import { freshName } from '../../support/fresh-name';

class Numbered {
  @IsInt()
  n!: number;
}

/** Marks each value with who saw it, so that the order of enhancers shows. */
const marking = (mark: string): NestInterceptor => ({
  intercept: (_context: ExecutionContext, next: CallHandler): Observable<unknown> =>
    next.handle().pipe(map((value) => `${mark}(${String(value)})`)),
});

@Injectable()
class AppWide implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return marking('app').intercept(context, next) as Observable<unknown>;
  }
}

@Injectable()
class WithoutSecret implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const rpc = context.switchToRpc();
    return (
      rpc.getContext<StreambackContext>().getHeaders().secret === undefined && rpc.getData<{ forbidden?: boolean }>()?.forbidden !== true
    );
  }
}

class Broken extends Error {}

@Catch(Broken)
class BrokenFilter {
  catch(error: Broken, host: ArgumentsHost): Observable<never> {
    const pattern = host.switchToRpc().getContext<StreambackContext>().getPattern();
    return throwError(() => ({ filtered: error.message, pattern }));
  }
}

@Catch(Broken)
class ConsolingFilter extends BaseRpcExceptionFilter {
  override catch(): Observable<string> {
    return of('consolation');
  }
}

@Controller()
class EnhancedController {
  @MessagePattern('local')
  @UseInterceptors(marking('local'))
  async *local(): AsyncGenerator<number> {
    yield 1;
    yield 2;
  }

  @MessagePattern('validated')
  @UsePipes(new ValidationPipe({ transform: true, exceptionFactory: (errors) => new RpcException(errors.map(({ property }) => property)) }))
  validated(@Payload() data: Numbered): string {
    return data.constructor.name;
  }

  @MessagePattern('field')
  field(@Payload('n', ParseIntPipe) n: number, @Ctx() context: StreambackContext): string {
    return `${n + 1} ${context instanceof StreambackContext}`;
  }

  @MessagePattern('guarded')
  @UseGuards(WithoutSecret)
  *guarded(): Generator<string> {
    yield 'passed';
  }

  @MessagePattern('filtered')
  @UseFilters(BrokenFilter)
  async *filtered(): AsyncGenerator<string> {
    yield 'before';
    throw new Broken('on the way');
  }

  @MessagePattern('filtered-observable')
  @UseFilters(BrokenFilter)
  filteredObservable(): Observable<string> {
    return throwError(() => new Broken('at once'));
  }

  @MessagePattern('consoled')
  @UseFilters(ConsolingFilter)
  *consoled(): Generator<string> {
    yield 'before';
    throw new Broken('nobody sees this');
  }

  @EventPattern<string>('filtered-event')
  @UseFilters(BrokenFilter)
  filteredEvent(): void {
    throw new Broken('an event');
  }
}

/** Pipes, guards, interceptors and filters work as in Nest's own transports, on each value of a stream and of a generator. */
export function enhancersSuite(title: string, streams: () => string | StreambackStreams): void {
  describe(title, () => {
    let app: INestApplication;
    let client: StreambackClient;
    const group = freshName('enhanced');

    beforeAll(async () => {
      @Module({
        imports: [StreambackModule.forRoot({ group, streams: streams(), topicsPrefix: group, kafka: { partitions: 1 } })],
        controllers: [EnhancedController],
        providers: [{ provide: APP_INTERCEPTOR, useClass: AppWide }],
      })
      class AppModule {}
      app = await NestFactory.create(AppModule, { logger: false });
      app.useGlobalInterceptors(marking('global'));
      app.connectMicroservice({ strategy: app.get(StreambackServer) }, { inheritAppConfig: true });
      await app.startAllMicroservices();
      await app.init();
      client = app.get(StreambackClient);
    });
    afterAll(async () => {
      await app?.close();
    });

    const outcome = (pattern: string, data: unknown = {}): Promise<{ got: unknown[]; error?: unknown }> =>
      new Promise((resolve) => {
        const got: unknown[] = [];
        client.send(pattern, data).subscribe({
          next: (value) => got.push(value),
          complete: () => resolve({ got }),
          error: (error: unknown) => resolve({ got, error }),
        });
      });
    const marked = (value: unknown): string => `app(global(${String(value)}))`;

    it('interceptors, local, of the app and global, see each value of a generator', async () => {
      expect(await outcome('local')).toEqual({ got: [marked('local(1)'), marked('local(2)')] });
    });

    it('pipes transform and refuse', async () => {
      expect(await outcome('validated', { n: 1 })).toEqual({ got: [marked('Numbered')] });
      expect(await outcome('validated', { n: 'one' })).toEqual({ got: [], error: ['n'] });
    });

    it('@Payload takes a field and a pipe; @Ctx is the StreambackContext', async () => {
      expect(await outcome('field', { n: '41' })).toEqual({ got: [marked('42 true')] });
      expect((await outcome('field', { n: 'x' })).error).toEqual({ status: 'error', message: 'Internal server error' });
    });

    it('guards refuse', async () => {
      expect(await outcome('guarded')).toEqual({ got: [marked('passed')] });
      expect(await outcome('guarded', { forbidden: true })).toEqual({ got: [], error: { status: 'error', message: 'Forbidden resource' } });
    });

    it('filters make something else of an error, also in the middle of a generator', async () => {
      expect(await outcome('filtered')).toEqual({ got: [marked('before')], error: { filtered: 'on the way', pattern: 'filtered' } });
      expect(await outcome('filtered-observable')).toEqual({ got: [], error: { filtered: 'at once', pattern: 'filtered-observable' } });
      expect(await outcome('consoled')).toEqual({ got: [marked('before'), 'consolation'] });
    });

    it('an event whose handler fails is acknowledged all the same, and the next one is handled', async () => {
      await lastValueFrom(client.emit('filtered-event', {}));
      await lastValueFrom(client.emit('filtered-event', {}));
      expect(await lastValueFrom(client.send('guarded', {}).pipe(toArray()))).toEqual([marked('passed')]);
    });
  });
}
