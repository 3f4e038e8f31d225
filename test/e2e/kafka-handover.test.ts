import { Controller, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { listener, StreambackClient, StreambackModule, StreambackServer } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { report } from '../support/report';
import { describeWith } from '../support/servers';

const EVENTS = 800;
const WORK_MS = 20;

describeWith(['kafka'], 'a partition that moves to a new member', ({ kafkaUrl }) => {
  it('what has not begun does not keep it: the new member works long before the backlog of the old one is done', async () => {
    const topic = freshName('handover');
    const options = { group: topic, streams: `main=${kafkaUrl}`, kafka: { partitions: 4 } };
    const handled: { readonly id: number; readonly by: string; readonly at: number }[] = [];
    const start = async (by: string): Promise<INestApplication> => {
      @Controller()
      class Worker {
        @EventPattern<string>(topic, listener({ concurrency: 1 }))
        async work(@Payload() id: number): Promise<void> {
          await new Promise((resolve) => setTimeout(resolve, WORK_MS));
          handled.push({ id, by, at: performance.now() });
        }
      }
      @Module({ imports: [StreambackModule.forRoot(options)], controllers: [Worker] })
      class AppModule {}
      const app = await NestFactory.create(AppModule, { logger: false });
      app.connectMicroservice({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
      return app;
    };
    const first = await start('first');
    const client = new StreambackClient(options);
    await Promise.all(Array.from({ length: EVENTS }, (_each, id) => lastValueFrom(client.emit(topic, id), { defaultValue: undefined })));
    await eventually('the first one works', () => handled.length > 10);
    const joinedAt = performance.now();
    const second = await start('second');
    await eventually('the second one works', () => handled.some(({ by }) => by === 'second'), { timeoutMs: 20_000 });
    const tookMs = Math.round(handled.find(({ by }) => by === 'second')!.at - joinedAt);
    const left = EVENTS - handled.length;
    await eventually('all are handled', () => new Set(handled.map(({ id }) => id)).size === EVENTS, { timeoutMs: 40_000 });
    const twice = handled.length - EVENTS;
    report('handover', { events: EVENTS, secondWorkedAfterMs: tookMs, leftThen: left, twice });
    // drainTimeoutMs is 8 s: so long the first one's backlog would have kept its partitions.
    expect(tookMs).toBeLessThan(5_000);
    expect(twice).toBe(0);
    await Promise.all([client.close(), first.close(), second.close()]);
  });
});
