import {
  type CallHandler,
  Catch,
  Controller,
  type ExecutionContext,
  type INestApplication,
  Module,
  UseFilters,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { EMPTY, lastValueFrom, type Observable, of, toArray } from 'rxjs';
import { retry as rxRetry } from 'rxjs/operators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { listener, StreambackClient, type StreambackContext, StreambackModule, StreambackRecordBuilder, StreambackServer } from '../../lib';
import { StreambackDeadLetters, type DeadLetter } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';

interface Call {
  readonly id: string;
  readonly attempt: number;
  readonly at: number;
}
const calls: Call[] = [];
const release: { waiting?: () => void } = {};

@Catch()
class SilentFilter {
  catch(): Observable<never> {
    return EMPTY;
  }
}

@Catch()
class ConsolingFilter {
  catch(): Observable<string> {
    return of('consolation');
  }
}

class CallsAgain {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(rxRetry(2));
  }
}

const TWICE = { retry: { times: 2, delayMs: 20, jitter: 0 } };

function note(data: { id: string; fails?: number }, context: StreambackContext): void {
  calls.push({ id: data.id, attempt: context.getAttempt(), at: Date.now() });
  if (context.getAttempt() <= (data.fails ?? 0)) throw new TypeError(`attempt ${context.getAttempt()}`);
}

@Controller()
class RetryController {
  @EventPattern<string>('retry.silenced', listener(TWICE))
  @UseFilters(SilentFilter)
  silenced(@Payload() data: { id: string; fails: number }, @Ctx() context: StreambackContext): void {
    note(data, context);
  }

  @MessagePattern('retry.consoled', listener({ ...TWICE, deadLetterTopic: 'retry.consoled.aside' }))
  @UseFilters(ConsolingFilter)
  consoled(@Payload() data: { id: string; fails: number }, @Ctx() context: StreambackContext): string {
    note(data, context);
    return `at attempt ${context.getAttempt()}`;
  }

  @EventPattern<string>('retry.intercepted')
  @UseInterceptors(CallsAgain)
  intercepted(@Payload() data: { id: string }, @Ctx() context: StreambackContext): void {
    note(data, context);
    if (calls.filter(({ id }) => id === data.id).length < 3) throw new Error('called again');
  }

  @EventPattern<string>('retry.keyed', listener({ retry: { times: 1, delayMs: 600, jitter: 0 } }))
  keyed(@Payload() data: { id: string; fails: number }, @Ctx() context: StreambackContext): void {
    note(data, context);
  }

  @MessagePattern('retry.streamed', listener({ retry: { times: 1, delayMs: 20, jitter: 0 } }))
  async *streamed(@Payload() data: { id: string; after: number }, @Ctx() context: StreambackContext): AsyncGenerator<string> {
    calls.push({ id: data.id, attempt: context.getAttempt(), at: Date.now() });
    for (let n = 0; n < data.after; n++) {
      await context.respond(`${context.getAttempt()}:${n}`);
    }
    if (context.getAttempt() === 1) throw new Error('in the middle');
    yield 'whole';
  }

  @EventPattern<string>('retry.closing', listener({ retry: { times: 1, delayMs: 60_000 } }))
  closing(@Payload() data: { id: string }, @Ctx() context: StreambackContext): void {
    calls.push({ id: data.id, attempt: context.getAttempt(), at: Date.now() });
    release.waiting?.();
    if (data.id.startsWith('waiting') && release.waiting) throw new Error('fails once');
  }
}

describeWithBrokers('retry', ({ streams }) => {
  const group = freshName('retry');
  let app: INestApplication;
  let client: StreambackClient;

  const start = async (): Promise<INestApplication> => {
    @Module({
      imports: [StreambackModule.forRoot({ group, streams, topicsPrefix: group, kafka: { partitions: 1, commitIntervalMs: 100 } })],
      controllers: [RetryController],
    })
    class AppModule {}
    const started = await NestFactory.create(AppModule, { logger: false });
    started.connectMicroservice({ strategy: started.get(StreambackServer) });
    await started.startAllMicroservices();
    await started.init();
    return started;
  };
  beforeAll(async () => {
    app = await start();
    client = app.get(StreambackClient);
  });
  afterAll(async () => {
    await app?.close();
  });

  const attemptsOf = (id: string): number[] => calls.filter((call) => call.id === id).map(({ attempt }) => attempt);
  const letters = async (pattern: string): Promise<DeadLetter[]> => {
    const read: DeadLetter[] = [];
    for await (const letter of app.get(StreambackDeadLetters).read(pattern)) read.push(letter);
    return read;
  };
  const all = (pattern: string, data: unknown): Promise<unknown[]> => lastValueFrom(client.send(pattern, data).pipe(toArray()));

  it('is judged on what an event handler threw, though a filter made nothing of it', async () => {
    client.emit('retry.silenced', { id: 'recovers', fails: 2 });
    client.emit('retry.silenced', { id: 'never', fails: 9 });
    await eventually('put aside', async () => (await letters('retry.silenced')).length === 1);
    expect([attemptsOf('recovers'), attemptsOf('never')]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    const [letter] = await letters('retry.silenced');
    expect(letter).toMatchObject({ data: { id: 'never' }, attempts: 3, message: expect.stringContaining('TypeError: attempt 3') });
  });

  it('is judged on what a request handler threw, though a filter made an answer of it', async () => {
    expect(await all('retry.consoled', { id: 'consoled', fails: 1 })).toEqual(['at attempt 2']);
    expect(await all('retry.consoled', { id: 'beyond', fails: 9 })).toEqual(['consolation']);
    expect(attemptsOf('beyond')).toEqual([1, 2, 3]);
    await eventually('put aside', async () => (await letters('retry.consoled')).length === 1);
  });

  it('a handler that an interceptor calls again has not failed when it succeeds', async () => {
    client.emit('retry.intercepted', { id: 'intercepted' });
    await eventually('called', () => attemptsOf('intercepted').length === 3);
    client.emit('retry.intercepted', { id: 'marker' });
    await eventually('called', () => attemptsOf('marker').length === 3);
    expect(attemptsOf('intercepted')).toEqual([1, 1, 1]);
    expect(await letters('retry.intercepted')).toEqual([]);
  });

  it('a message that waits for its next try holds up its own key alone', async () => {
    const emit = (id: string, key: string, fails = 0) =>
      lastValueFrom(client.emit('retry.keyed', new StreambackRecordBuilder({ id, fails }).setKey(key).build()));
    await emit('a1', 'a', 1);
    await emit('a2', 'a');
    for (let n = 0; n < 20; n++) await emit(`b${n}`, 'b');
    await eventually('all are handled', () => attemptsOf('a2').length === 1);
    const order = calls.filter(({ id }) => /^[ab]\d+$/.test(id)).map(({ id, attempt }) => `${id}:${attempt}`);
    expect(order).toEqual(['a1:1', ...Array.from({ length: 20 }, (_, n) => `b${n}:1`), 'a1:2', 'a2:1']);
  });

  it('a further try before the first answer is not seen; after it the lane errs RESTARTED', async () => {
    expect(await all('retry.streamed', { id: 'unseen', after: 0 })).toEqual(['whole']);
    expect(attemptsOf('unseen')).toEqual([1, 2]);
    const lane = client.open<string>('retry.streamed', { id: 'seen', after: 2 });
    expect([await lane.read(), await lane.read()]).toEqual(['1:0', '1:1']);
    await expect(lane.read()).rejects.toMatchObject({ code: 'RESTARTED' });
  });

  it('M8: a message that waits for its next try is not committed when its app closes, and is delivered again', async () => {
    const failed = new Promise<void>((resolve) => (release.waiting = resolve));
    client.emit('retry.closing', { id: 'waiting' });
    await failed;
    const began = Date.now();
    delete release.waiting;
    await app.close();
    console.info(`retry: closing with a try 60 s away took ${Date.now() - began} ms`);
    expect(Date.now() - began).toBeLessThan(6_000);
    expect(attemptsOf('waiting')).toHaveLength(1);
    app = await start();
    client = app.get(StreambackClient);
    await eventually('delivered again', () => attemptsOf('waiting').length === 2);
  });
});
