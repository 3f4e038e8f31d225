import { Controller, Get, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { firstValueFrom, from, lastValueFrom, NEVER, type Observable } from 'rxjs';
import { catchError } from 'rxjs/operators';
import { expect, it } from 'vitest';
import { StreambackClient, type StreambackError, type StreambackModuleOptions, StreambackModule, StreambackServer } from '../../lib';
import { freshName } from '../support/fresh-name';

const fresh = (): StreambackModuleOptions => ({ group: freshName('group'), streams: `memory://${freshName('shutdown')}` });

/** Its socket does not outlive it: Nest waits for those that do. */
const ask = (url: string): Promise<Response> => fetch(url, { headers: { connection: 'close' } });

/** A hybrid app whose HTTP requests wait for handlers. */
async function hybrid(options: StreambackModuleOptions, handler: () => unknown) {
  let asked!: () => void;
  const waiting = new Promise<void>((resolve) => (asked = resolve));
  @Controller()
  class Gateway {
    constructor(@Inject(StreambackClient) private readonly client: StreambackClient) {}

    @Get()
    ask(): Observable<unknown> {
      return this.client.send('ask', {}).pipe(catchError((error: StreambackError) => from([{ code: error.code }])));
    }

    @MessagePattern('ask')
    answer(): unknown {
      asked();
      return handler();
    }
  }
  @Module({ imports: [StreambackModule.forRoot(options)], controllers: [Gateway] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  app.connectMicroservice({ strategy: app.get(StreambackServer) });
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
  return { app, waiting, url: await app.getUrl() };
}

it('an HTTP request that waits for a handler of the same app does not keep it from closing beyond drainTimeoutMs', async () => {
  const { app, waiting, url } = await hybrid({ ...fresh(), drainTimeoutMs: 300 }, () => NEVER);
  const response = ask(url);
  await waiting;
  const startedAt = performance.now();
  await app.close();
  const took = performance.now() - startedAt;
  console.info(`closed after ${Math.round(took)} ms`);
  expect(took).toBeLessThan(2_000);
  expect(await (await response).json()).toEqual({ code: 'CLOSED' });
});

it('a request that is answered in time is answered, while the app closes', async () => {
  let finish!: (answer: object) => void;
  const { app, waiting, url } = await hybrid(fresh(), () => new Promise((resolve) => (finish = resolve)));
  const response = ask(url);
  await waiting;
  const closed = app.close();
  setImmediate(() => finish({ answered: true }));
  expect(await (await response).json()).toEqual({ answered: true });
  await closed;
});

it('a client that is closed sends no more, although its server goes on', async () => {
  const options = fresh();
  const { app } = await hybrid(options, () => 'here');
  const own = app.get(StreambackClient);
  await own.close();
  await expect(firstValueFrom(own.send('ask', {}))).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(lastValueFrom(own.emit('ask', {}))).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(own.open('ask', {}).read()).rejects.toMatchObject({ code: 'CLOSED' });
  const other = new StreambackClient(options);
  expect(await firstValueFrom(other.send('ask', {}))).toBe('here');
  await other.close();
  await app.close();
});
