import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { BatchPattern, listener, StreambackClient, StreambackModule, StreambackServer } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';

const EVENTS = 300;
const WORK_MS = 5;

function work(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

it('a backlog of handlers that wait for nothing leaves the event loop its turns: timers, and with them leases and heartbeats', async () => {
  let [handled, batched] = [0, 0];
  @Controller()
  class Busy {
    @EventPattern<string>('busy.one', listener({ concurrency: 1 }))
    one(): void {
      work(WORK_MS);
      handled += 1;
    }

    @BatchPattern('busy.batch', { size: 10, concurrency: 1 })
    batch(events: readonly unknown[]): void {
      work(WORK_MS);
      batched += events.length;
    }
  }
  const options = { group: freshName('busy'), streams: `memory://${freshName('busy')}` };
  @Module({ imports: [StreambackModule.forRoot(options)], controllers: [Busy] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  app.connectMicroservice({ strategy: app.get(StreambackServer) });
  await app.startAllMicroservices();
  const client = app.get(StreambackClient);
  let latestMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    latestMs = Math.max(latestMs, performance.now() - last);
    last = performance.now();
  }, 5);
  for (let id = 0; id < EVENTS; id++) {
    for (const pattern of ['busy.one', 'busy.batch']) void lastValueFrom(client.emit(pattern, id), { defaultValue: undefined });
  }
  await eventually('all are handled', () => handled === EVENTS && batched === EVENTS, { timeoutMs: 20_000 });
  clearInterval(timer);
  console.info(`busy: ${handled} handlers of ${WORK_MS} ms, ${batched} in batches; timers at most ${Math.round(latestMs)} ms apart`);
  expect(latestMs).toBeLessThan(300);
  await app.close();
});
