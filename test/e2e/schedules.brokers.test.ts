import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { StreambackClient, StreambackModule } from '../../lib';
import { scheduleKeyOf } from '../../lib/streams/redis/redis.keys';
import { freshName } from '../support/fresh-name';
import { startRedis } from '../support/redis';
import { describeWith, describeWithBrokers } from '../support/servers';
import { schedulesSuite } from './suites/schedules.suite';

describeWithBrokers('schedules', ({ streams }) => schedulesSuite('over Kafka and Redis', () => streams));

describeWith(['kafka', 'own-redis'], 'an app without schedules', ({ kafkaUrl }) => {
  it('runs no script, and keeps no key', async () => {
    const server = await startRedis();
    const redis = new Redis(server.url);
    const group = freshName('none');
    @Module({ imports: [StreambackModule.forRoot({ group, streams: { main: kafkaUrl, feedback: server.url } })] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    await app.init();
    await app.get(StreambackClient).connect();
    await app.close();
    expect(await redis.exists(scheduleKeyOf(group))).toBe(0);
    expect(await redis.info('commandstats')).not.toMatch(/cmdstat_(eval|script)/);
    await redis.quit();
    await server.close();
  });
});
