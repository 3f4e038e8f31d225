import { Controller, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StreambackClient, StreambackModule, StreambackServer } from '../../lib';
import { freshName } from '../support/fresh-name';
import { startRedis, type RedisServer } from '../support/redis';
import { describeWith } from '../support/servers';

@Controller()
class CountingController {
  @MessagePattern('count')
  *count(upTo: number): Generator<{ id: number }> {
    for (let id = 0; id < upTo; id++) yield { id };
  }
}

describeWith(['kafka', 'own-redis'], 'scale, over Kafka and Redis', ({ kafkaUrl }) => {
  let app: INestApplication;
  let client: StreambackClient;
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await startRedis();
    const group = freshName('scale');
    @Module({
      imports: [
        StreambackModule.forRoot({
          group,
          topicsPrefix: group,
          streams: `main=${kafkaUrl}&feedback=${redis.url}`,
          kafka: { partitions: 4 },
        }),
      ],
      controllers: [CountingController],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, { logger: ['error'] });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
    client = app.get(StreambackClient);
  });
  afterAll(async () => {
    await app?.close();
    await redis?.close();
  });

  it('F1: 100,000 streamed items arrive once and in order', async () => {
    const items = 100_000;
    let [received, outOfOrder] = [0, 0];
    const seen = new Set<number>();
    const startedAt = performance.now();
    await new Promise<void>((resolve, reject) => {
      client.send<{ id: number }>('count', items).subscribe({
        next: ({ id }) => {
          if (id !== received) outOfOrder += 1;
          received += 1;
          seen.add(id);
        },
        complete: resolve,
        error: reject,
      });
    });
    const perSecond = Math.round(items / ((performance.now() - startedAt) / 1_000));
    const counts = { lost: items - seen.size, twice: received - seen.size, outOfOrder };
    console.log(`100,000 streamed items: ${JSON.stringify(counts)}, ${perSecond.toLocaleString('en')} items/s`);
    expect(counts).toEqual({ lost: 0, twice: 0, outOfOrder: 0 });
  });
});
