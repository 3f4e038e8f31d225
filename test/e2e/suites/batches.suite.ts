import {
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExecutionContext,
  type INestApplication,
  Module,
  type NestInterceptor,
  ParseArrayPipe,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Payload, RpcException } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import { lastValueFrom, map, type Observable, throwError, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BatchPattern,
  type DeadLetter,
  StreambackBatchContext,
  StreambackClient,
  StreambackContext,
  StreambackDeadLetters,
  StreambackHealth,
  StreambackModule,
  StreambackRecordBuilder,
  StreambackServer,
} from '../../../lib';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';

class Line {
  @IsInt()
  n!: number;
}

interface Call {
  readonly pattern: string;
  readonly lines: readonly Line[];
  readonly batch: StreambackBatchContext;
}
const calls: Call[] = [];
const callsOf = (pattern: string): Call[] => calls.filter((call) => call.pattern === pattern);
const handled = (pattern: string): number[] => callsOf(pattern).flatMap(({ lines }) => lines.map(({ n }) => n));

class SmallBatches implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const rpc = context.switchToRpc();
    return rpc.getContext() instanceof StreambackBatchContext && rpc.getData<unknown[]>().length <= 3;
  }
}

class Doubling implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((answers: number[]) => answers.map((answer) => answer * 2)));
  }
}

class Odd extends Error {}

@Catch(Odd)
class OddFilter {
  catch(error: Odd): Observable<never> {
    return throwError(() => ({ filtered: error.message }));
  }
}

@Controller()
class BatchesController {
  @BatchPattern('batch.events', { size: 100, maxWaitMs: 300 })
  events(lines: Line[], batch: StreambackBatchContext): void {
    calls.push({ pattern: batch.getPattern(), lines, batch });
  }

  @BatchPattern('batch.keyed', { size: 20, maxWaitMs: 50 })
  async keyed(lines: Line[], batch: StreambackBatchContext): Promise<void> {
    calls.push({ pattern: 'batch.keyed', lines, batch });
    await new Promise((resolve) => setTimeout(resolve, 3));
  }

  @BatchPattern('batch.poisoned', { size: 10, maxWaitMs: 200, retry: { times: 1, delayMs: 10 } })
  poisoned(lines: Line[], batch: StreambackBatchContext): void {
    calls.push({ pattern: 'batch.poisoned', lines, batch });
    if (lines.some(({ n }) => n % 7 === 3)) throw new TypeError('cannot be stored');
  }

  @BatchPattern('batch.asked', { size: 3, maxWaitMs: 200 })
  @UseInterceptors(new Doubling())
  @UseGuards(new SmallBatches())
  asked(
    @Payload(new ParseArrayPipe({ items: Line, exceptionFactory: (error) => new RpcException(String(error)) })) lines: Line[],
  ): number[] {
    expect(lines.every((line) => line instanceof Line)).toBe(true);
    return lines.map(({ n }) => n);
  }

  @BatchPattern('batch.filtered', { size: 4, maxWaitMs: 100 })
  @UseFilters(OddFilter)
  async filtered(lines: Line[]): Promise<string[]> {
    const odd = lines.find(({ n }) => n % 2 === 1);
    if (odd) throw new Odd(`${odd.n} is odd`);
    return lines.map(({ n }) => `${n} is even`);
  }

  @BatchPattern(['batch.closing'], { size: 1_000, maxWaitMs: 600_000 })
  closing(lines: Line[], batch: StreambackBatchContext): void {
    calls.push({ pattern: 'batch.closing', lines, batch });
  }
}

/** What `@BatchPattern` does in an app, whatever the streams are. */
export function batchesSuite(title: string, streams: () => string): void {
  describe(title, () => {
    const group = freshName('batches');
    let app: INestApplication;
    let client: StreambackClient;

    const start = async (controllers: Type[]): Promise<INestApplication> => {
      @Module({
        imports: [
          StreambackModule.forRoot({
            group,
            streams: streams(),
            topicsPrefix: group,
            maxInFlight: 2_000,
            kafka: { partitions: 3, commitIntervalMs: 100 },
          }),
        ],
        controllers,
      })
      class AppModule {}
      const started = await NestFactory.create(AppModule, { logger: false });
      started.connectMicroservice({ strategy: started.get(StreambackServer) });
      await started.startAllMicroservices();
      await started.init();
      return started;
    };
    beforeAll(async () => {
      app = await start([BatchesController]);
      client = app.get(StreambackClient);
    });
    afterAll(async () => {
      await app?.close();
    });

    const emit = (pattern: string, n: number, key?: string): Promise<unknown> => {
      const record = new StreambackRecordBuilder({ n });
      return lastValueFrom(client.emit(pattern, key === undefined ? record.build() : record.setKey(key).build()));
    };
    const outcome = async (pattern: string, n: unknown): Promise<unknown> =>
      lastValueFrom(client.send(pattern, { n }).pipe(toArray())).catch((error: unknown) => ({ error }));

    it('hands over many at once; the contexts are in the order of the payloads', async () => {
      await Promise.all(Array.from({ length: 250 }, (_, n) => emit('batch.events', n, String(n))));
      await eventually('handled', () => handled('batch.events').length === 250);
      expect(handled('batch.events').toSorted((one, other) => one - other)).toEqual(Array.from({ length: 250 }, (_, n) => n));
      const mine = callsOf('batch.events');
      expect(mine.length).toBeLessThan(25);
      for (const { lines, batch } of mine) {
        expect(lines.length).toBeLessThanOrEqual(100);
        expect(batch.getContexts().map((context) => context.getKey())).toEqual(lines.map(({ n }) => String(n)));
        expect(batch.getContexts()[0]).toBeInstanceOf(StreambackContext);
        expect([batch.getPattern(), batch.signal.aborted]).toEqual(['batch.events', false]);
        expect(batch.getArgs().map(({ offset }) => offset)).toEqual(batch.getContexts().map((context) => context.getMessage().offset));
      }
    });

    it('M4: a key keeps its order through batches', async () => {
      for (let n = 0; n < 100; n++) void emit('batch.keyed', n, `key-${n % 5}`);
      await eventually('handled', () => handled('batch.keyed').length === 100);
      for (let key = 0; key < 5; key++) {
        const own = handled('batch.keyed').filter((n) => n % 5 === key);
        expect(own).toEqual(Array.from({ length: 20 }, (_, index) => index * 5 + key));
      }
    });

    it('puts aside what makes a batch fail, and handles the rest', async () => {
      await Promise.all(Array.from({ length: 20 }, (_, n) => emit('batch.poisoned', n)));
      const letters = async (): Promise<DeadLetter[]> => {
        const read: DeadLetter[] = [];
        for await (const letter of app.get(StreambackDeadLetters).read('batch.poisoned')) read.push(letter);
        return read;
      };
      await eventually('put aside', async () => (await letters()).length === 3);
      const good = (): number[] => callsOf('batch.poisoned').filter(({ lines }) => !lines.some(({ n }) => n % 7 === 3)).flatMap(({ lines }) => lines.map(({ n }) => n)); // prettier-ignore
      await eventually('handled', () => good().length === 17);
      const put = (await letters()).map(({ data }) => (data as Line).n);
      expect(put.toSorted((one, other) => one - other)).toEqual([3, 10, 17]);
      expect((await letters())[0]).toMatchObject({
        code: 'HANDLER_FAILED',
        message: expect.stringContaining('TypeError: cannot be stored'),
      });
    });

    it('requests are answered each with its own; guards, pipes and interceptors see the batch', async () => {
      expect(await Promise.all([1, 2, 3].map((n) => outcome('batch.asked', n)))).toEqual([[2], [4], [6]]);
    });

    it('what a pipe refuses is refused alone', async () => {
      const [good, bad] = await Promise.all([outcome('batch.asked', 1), outcome('batch.asked', 'x')]);
      expect(good).toEqual([2]);
      expect(bad).toMatchObject({ error: { status: 'error', message: expect.stringContaining('property n has failed') } });
    });

    it('filters make something else of an error, which its own request alone gets', async () => {
      expect(await Promise.all([2, 3, 4, 6].map((n) => outcome('batch.filtered', n)))).toEqual([
        ['2 is even'],
        { error: { filtered: '3 is odd' } },
        ['4 is even'],
        ['6 is even'],
      ]);
    });

    it('M8: closing handles what is gathered, once', async () => {
      await Promise.all(Array.from({ length: 5 }, (_, n) => emit('batch.closing', n)));
      const health = app.get(StreambackHealth);
      await eventually('gathered', async () => (await health.ready()).connections.default!.inFlight === 5);
      expect(handled('batch.closing')).toEqual([]);
      await app.close();
      expect(handled('batch.closing').toSorted()).toEqual([0, 1, 2, 3, 4]);
      app = await start([BatchesController]);
      client = app.get(StreambackClient);
      expect(await outcome('batch.asked', 1)).toEqual([2]);
      expect(handled('batch.closing')).toHaveLength(5);
    });
  });
}
