import { Controller, type INestApplication, Module, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { lastValueFrom, map, type Observable, of, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DeadLetter,
  listener,
  StreambackClient,
  StreambackContext,
  StreambackDeadLetters,
  StreambackModule,
  StreambackServer,
} from '../../../lib';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';

/** What ran, in its order. */
const ran: string[] = [];
const runsOf = (id: string): string[] => ran.filter((each) => each.endsWith(` ${id}`)).map((each) => each.split(' ')[0]!);

interface Data {
  readonly id: string;
  readonly fails?: readonly string[];
}

function run(by: string, { id, fails = [] }: Data): void {
  ran.push(`${by} ${id}`);
  if (fails.includes(by)) throw new RpcException(`${by} failed`);
  if (fails.includes(`${by}!`)) throw new Error(`${by} broke`);
}

@Controller()
class FirstController {
  @MessagePattern('several.asked', listener({ retry: { times: 1, delayMs: 10 } }))
  async *one(@Payload() data: Data): AsyncGenerator<string> {
    run('one', data);
    yield 'one, first';
    await new Promise((resolve) => setTimeout(resolve, 20));
    yield 'one, last';
  }

  @EventPattern<string>('several.asked')
  event(@Payload() data: Data): void {
    run('event', data);
  }

  @EventPattern<string>('several.events', listener({ deadLetterTopic: 'several.events.aside' }))
  async slow(@Payload() data: Data, @Ctx() context: StreambackContext): Promise<string> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await context.respond('responded');
    run('slow', data);
    return 'goes nowhere';
  }
}

@Controller()
class SecondController {
  @MessagePattern('several.asked')
  @UseInterceptors({ intercept: (_context, next) => next.handle().pipe(map((value) => `intercepted ${value}`)) })
  two(@Payload() data: Data): Observable<string> {
    run('two', data);
    return of('two');
  }

  @MessagePattern('several.asked')
  three(@Payload('id') id: string, @Payload('fails') fails: string[] = []): string[] {
    run('three', { id, fails });
    return ['three', 'is one answer'];
  }

  @EventPattern<string>('several.events')
  quick(@Payload() data: Data): void {
    run('quick', data);
  }
}

/** Several handlers of one pattern in one process, whatever the streams are. */
export function severalHandlersSuite(title: string, streams: () => string): void {
  describe(title, () => {
    let app: INestApplication;
    let client: StreambackClient;
    const group = freshName('several');

    beforeAll(async () => {
      @Module({
        imports: [StreambackModule.forRoot({ group, streams: streams(), topicsPrefix: group, kafka: { partitions: 1 } })],
        controllers: [FirstController, SecondController],
      })
      class AppModule {}
      app = await NestFactory.create(AppModule, { logger: false });
      app.connectMicroservice({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
      await app.init();
      client = app.get(StreambackClient);
    });
    afterAll(async () => {
      await app?.close();
    });

    const ask = async (pattern: string, data: Data): Promise<{ got: unknown[]; error?: unknown }> => {
      const got: unknown[] = [];
      return new Promise((resolve) => {
        client.send(pattern, data).subscribe({
          next: (value) => got.push(value),
          complete: () => resolve({ got }),
          error: (error: unknown) => resolve({ got, error }),
        });
      });
    };
    const answers = ['one, first', 'one, last', 'intercepted two', ['three', 'is one answer']];
    const letters = async (pattern: string): Promise<DeadLetter[]> => {
      const read: DeadLetter[] = [];
      for await (const letter of app.get(StreambackDeadLetters).read(pattern)) read.push(letter);
      return read;
    };

    it('all that answer do, one after another, on one lane with one end', async () => {
      expect(await ask('several.asked', { id: 'all' })).toEqual({ got: answers });
      expect(runsOf('all')).toEqual(['one', 'two', 'three']);
    });

    it('the others run when one fails, whose error ends the lane', async () => {
      expect(await ask('several.asked', { id: 'second', fails: ['two'] })).toEqual({
        got: [answers[0], answers[1], answers[3]],
        error: { status: 'error', message: 'two failed' },
      });
      expect(runsOf('second')).toEqual(['one', 'two', 'three']);
    });

    it('what several fail with is one error, joined', async () => {
      expect(await ask('several.asked', { id: 'both', fails: ['one', 'three'] })).toEqual({
        got: ['intercepted two'],
        error: { status: 'error', message: 'one failed, three failed' },
      });
    });

    it('all are tried again where one has broken, also behind one whose error is an answer', async () => {
      const { error } = await ask('several.asked', { id: 'broken', fails: ['one', 'two', 'three!'] });
      expect(error).toEqual({ status: 'error', message: 'one failed, two failed, Internal server error' });
      expect(runsOf('broken')).toEqual(['one', 'two', 'three', 'one', 'two', 'three']);
    });

    it('an event goes to those that take events, and not to those that answer', async () => {
      await lastValueFrom(client.emit('several.asked', { id: 'event' }));
      await eventually('handled', () => runsOf('event').length > 0);
      expect(await ask('several.asked', { id: 'marker' })).toEqual({ got: answers });
      expect(runsOf('event')).toEqual(['event']);
    });

    it('a request that meets only those runs them all and ends once, with what they respond alone', async () => {
      expect(await ask('several.events', { id: 'request' })).toEqual({ got: ['responded'] });
      expect(runsOf('request')).toEqual(['quick', 'slow']);
    });

    it('and with their errors, joined', async () => {
      expect(await ask('several.events', { id: 'failing', fails: ['slow', 'quick'] })).toEqual({
        got: ['responded'],
        error: { status: 'error', message: 'quick failed, slow failed' },
      });
    });

    it('an event that one fails with is put aside once, when all have run', async () => {
      await lastValueFrom(client.emit('several.events', { id: 'aside', fails: ['quick'] }).pipe(toArray()));
      await eventually('put aside', async () => (await letters('several.events')).some(({ data }) => (data as Data).id === 'aside'));
      expect(runsOf('aside')).toEqual(['quick', 'slow']);
    });
  });
}
