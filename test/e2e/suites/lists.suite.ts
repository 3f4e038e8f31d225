import { Controller, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  StreambackClient,
  StreambackContext,
  StreambackModule,
  StreambackRecord,
  StreambackRecordBuilder,
  StreambackServer,
  type StreambackOptions,
  type StreambackStreams,
} from '../../../lib';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';

const stopped: unknown[] = [];
const pulled = new Map<string, number>();

@Controller()
class ListsController {
  @MessagePattern('numbers')
  *numbers(@Payload() { id, count }: { id: string; count: number }, @Ctx() context: StreambackContext): Generator<number> {
    context.signal.addEventListener('abort', () => stopped.push(id));
    for (let n = 0; n < count; n += 1) {
      pulled.set(id, n + 1);
      yield n;
    }
  }

  @MessagePattern('fail')
  fail(): never {
    throw new RpcException({ code: 7, reason: 'gone' });
  }

  @MessagePattern('never')
  never(@Payload() id: string, @Ctx() context: StreambackContext): Promise<never> {
    context.signal.addEventListener('abort', () => stopped.push(id));
    return new Promise(() => {});
  }

  @MessagePattern('unheard')
  unheard(): string {
    return 'it was heard';
  }

  @MessagePattern('echo')
  echo(data: unknown): unknown {
    return data;
  }
}

const byList = (data: unknown): StreambackRecord => new StreambackRecordBuilder(data).setFeedback('list').build();

/** What holds of feedback lists between our own processes, and of what goes with them. */
export function listsSuite(title: string, streams: () => string | StreambackStreams): void {
  describe(title, () => {
    const prefix = freshName('lists');
    let app: INestApplication;
    const clients: StreambackClient[] = [];
    const options = (more: Partial<StreambackOptions> = {}): StreambackOptions => ({
      group: freshName('lists'),
      topicsPrefix: prefix,
      streams: streams(),
      ...more,
    });
    const create = (more?: Partial<StreambackOptions>): StreambackClient => {
      const client = new StreambackClient(options(more));
      clients.push(client);
      return client;
    };
    beforeAll(async () => {
      const only = ['numbers', 'fail', 'never', 'echo'];
      @Module({
        imports: [StreambackModule.forRoot(options({ group: 'lists', listenOnly: only, bigint: true }))],
        controllers: [ListsController],
      })
      class AppModule {}
      app = await NestFactory.create(AppModule, { logger: false });
      app.connectMicroservice({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
    });
    afterAll(async () => {
      await Promise.all(clients.map((client) => client.close()));
      await app?.close();
    });

    it('F1: a stream by list comes whole and in order', async () => {
      const numbers = await lastValueFrom(
        create()
          .send<number>('numbers', byList({ id: 'whole', count: 3_000 }))
          .pipe(toArray()),
      );
      expect(numbers).toEqual(Array.from({ length: 3_000 }, (_, n) => n));
    });

    it('an error keeps its form', async () => {
      await expect(firstValueFrom(create().send('fail', byList({})))).rejects.toEqual({ code: 7, reason: 'gone' });
    });

    it('F6: unsubscribing stops the handler', async () => {
      const client = create({ requestOptions: { numbers: { feedback: 'list' } } });
      expect(await lastValueFrom(client.send('numbers', { id: 'unsubscribed', count: 1e9 }).pipe(take(2), toArray()))).toEqual([0, 1]);
      await eventually('it is stopped', () => stopped.includes('unsubscribed'));
    });

    it('F5: a slow reader by list slows the generator', async () => {
      const lane = create().open<number>('numbers', byList({ id: 'slow', count: 1e9 }));
      expect(await lane.read()).toBe(0);
      await eventually('it waits', async () => {
        const before = pulled.get('slow');
        await new Promise((resolve) => setTimeout(resolve, 100));
        return before === pulled.get('slow');
      });
      expect(pulled.get('slow')).toBeLessThan(2_000);
      lane.close();
      await eventually('it is stopped', () => stopped.includes('slow'));
    });

    it('another client reads on what one has sent, also after that one is gone', async () => {
      const sender = create();
      const lane = sender.open<number>('numbers', byList({ id: 'resumed', count: 1_000 }));
      await sender.flush();
      const { feedbackTopic } = lane;
      await sender.close();
      const numbers: number[] = [];
      for await (const n of create().resume<number>(feedbackTopic!)) numbers.push(n);
      expect(numbers).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
    });

    it('a lane that another reads stops the handler when it is left', async () => {
      const lane = create().open<number>('numbers', byList({ id: 'left', count: 1e9 }));
      for await (const n of create().resume<number>(lane.feedbackTopic!)) if (n > 300) break;
      await eventually('it is stopped', () => stopped.includes('left'));
    });

    it('resume takes feedback topics alone, and checks its options', () => {
      const client = create();
      expect(() => client.resume('numbers')).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option: 'feedbackTopic' }));
      expect(() => client.resume('streamback_feedback_x', { timeoutMS: 1 } as object)).toThrow(/timeoutMs/);
    });

    it('a request by inbox that nobody has taken yet is answered as ever', async () => {
      const client = create();
      const never = client.open('never', 'silent one');
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect(never.feedbackTopic).toBeUndefined();
      never.close();
      await eventually('it is stopped', () => stopped.includes('silent one'));
    });

    it('flush resolves when all is acknowledged, and rejects with what was not', async () => {
      const client = create({ maxMessageBytes: 500 });
      const acknowledged: number[] = [];
      for (let n = 0; n < 200; n += 1) client.emit('echo', n).subscribe({ complete: () => acknowledged.push(n) });
      await client.flush();
      expect(acknowledged).toHaveLength(200);
      client.emit('echo', 'x'.repeat(1_000)).subscribe({ error: () => {} });
      await expect(client.flush()).rejects.toMatchObject({ code: 'TOO_LARGE' });
      await client.flush();
    });

    it('bigint goes both ways where both ask for it', async () => {
      const big = { n: 2n ** 63n, list: [-(2n ** 80n)], small: 7 };
      expect(await firstValueFrom(create({ bigint: true }).send('echo', big))).toEqual(big);
      await expect(firstValueFrom(create().send('echo', big))).rejects.toMatchObject({ code: 'NOT_SERIALIZABLE' });
    });

    it('listenOnly leaves other patterns alone; a name without a handler is an error at start', async () => {
      await expect(firstValueFrom(create().send('unheard', new StreambackRecord({}, { timeoutMs: 1_500 })))).rejects.toMatchObject({
        name: expect.stringMatching(/^Streamback(Timeout|Connection)Error$/),
      });
      @Module({ imports: [StreambackModule.forRoot(options({ listenOnly: ['ecko'] }))], controllers: [ListsController] })
      class AppModule {}
      const wrong = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
      wrong.connectMicroservice({ strategy: wrong.get(StreambackServer) });
      await expect(wrong.startAllMicroservices()).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'listenOnly' });
      await wrong.close();
    });
  });
}
