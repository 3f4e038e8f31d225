import { Controller, Get, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { HealthCheck, HealthCheckService, TerminusModule, type HealthCheckResult } from '@nestjs/terminus';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { StreambackModule, StreambackServer, type StreambackConnectionHealth, type StreambackHealthResult } from '../../lib';
import { StreambackHealthIndicator } from '../../lib/health/terminus';
import { startApp, type AppMessage, type AppProcess } from '../support/app-process';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { startRedis, type RedisServer } from '../support/redis';
import { describeWith } from '../support/servers';

@Controller()
class EchoController {
  @MessagePattern('echo')
  echo(@Payload() id: string): string {
    return id;
  }
}

@Controller('health')
class HealthController {
  constructor(
    private readonly checks: HealthCheckService,
    private readonly streamback: StreambackHealthIndicator,
  ) {}

  @Get('ready')
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.checks.check([() => this.streamback.isReady()]);
  }

  @Get('live')
  @HealthCheck()
  live(): Promise<HealthCheckResult> {
    return this.checks.check([() => this.streamback.isLive('streams')]);
  }
}

/** It imports no StreambackModule: what covers all connections is found everywhere. */
@Module({ imports: [TerminusModule.forRoot({ logger: false })], controllers: [HealthController], providers: [StreambackHealthIndicator] })
class HealthModule {}

describeWith(['own-kafka', 'own-redis'], 'health over real servers', () => {
  const apps: AppProcess[] = [];
  let kafka: KafkaServer;
  let redis: RedisServer;
  let app: INestApplication | undefined;
  beforeAll(async () => {
    [kafka, redis] = await Promise.all([startKafka(), startRedis()]);
  }, 120_000);
  afterEach(async () => {
    await app?.close();
    app = undefined;
    for (const each of apps.splice(0)) await each.kill();
  });
  afterAll(async () => {
    await kafka?.stop();
    await redis?.close();
  });

  const streams = (): string => `main=${kafka.url}&feedback=${redis.url}`;

  async function startHttp(): Promise<string> {
    const group = freshName('health');
    @Module({
      imports: [
        StreambackModule.forRoot({ group, topicsPrefix: group, streams: streams(), kafka: { partitions: 2 } }),
        StreambackModule.forRoot({ connection: 'audit', group: `${group}.audit`, streams: `main=${kafka.url}` }),
        HealthModule,
      ],
      controllers: [EchoController],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    return app.getUrl();
  }

  /** @returns the HTTP status, and what terminus says of a key */
  async function get(
    url: string,
    key = 'streamback',
  ): Promise<{ status: number; took: number } & Pick<StreambackHealthResult, 'connections'>> {
    const startedAt = performance.now();
    const response = await fetch(url);
    const { details } = (await response.json()) as { details: Record<string, StreambackHealthResult> };
    return { status: response.status, took: performance.now() - startedAt, connections: details[key]!.connections };
  }

  it('answers 200 with its facts while all works', async () => {
    const url = await startHttp();
    const ready = await get(`${url}/health/ready`);
    expect(ready.status).toBe(200);
    expect(ready.connections).toMatchObject({
      default: { status: 'up', main: 'up', feedback: 'up', assignedPartitions: 2, lag: 0, inFlight: 0 },
      audit: { status: 'up', main: 'up', feedback: null, assignedPartitions: null, heartbeatAgeMs: null, lag: null, inFlight: 0 },
    });
    expect(ready.connections.default!.heartbeatAgeMs).toBeLessThan(5_000);
    expect((await get(`${url}/health/live`, 'streams')).status).toBe(200);
  });

  const stops: [string, () => { kill(signal: NodeJS.Signals): Promise<void> }, RegExp, Partial<StreambackConnectionHealth>][] = [
    ['Redis', () => redis, /No answer from redis .*Check that it runs/, { main: 'up', feedback: 'down' }],
    ['Kafka', () => kafka.nodes[0]!, /No answer from kafka .*Check that it runs/, { main: 'down', feedback: 'up' }],
  ];
  it.each(stops)(
    '%s stopped with its sockets open: 503 and why, not to be restarted; 200 again after',
    { timeout: 90_000 },
    async (what, server, reason, sides) => {
      const url = await startHttp();
      expect((await get(`${url}/health/ready`)).status).toBe(200);
      await server().kill('SIGSTOP');
      try {
        const down = await eventually('it is noticed', async () => {
          const ready = await get(`${url}/health/ready`);
          // The other connection may be looked at a moment earlier.
          return ready.status === 503 && ready.connections.default!.status === 'down' ? ready : undefined;
        });
        expect(down.took).toBeLessThan(3_000);
        expect(down.connections.default).toMatchObject({ status: 'down', ...sides });
        expect(down.connections.default!.reason).toMatch(reason);
        expect((await get(`${url}/health/live`, 'streams')).status).toBe(200);
      } finally {
        await server().kill('SIGCONT');
      }
      const back = performance.now();
      await eventually('it is up again', async () => (await get(`${url}/health/ready`)).status === 200, {
        timeoutMs: 30_000,
        intervalMs: 100,
      });
      console.info(`health: up ${Math.round(performance.now() - back)} ms after ${what} went on`);
    },
  );

  it('Kafka killed: 503 and why; 200 again after it is back', { timeout: 90_000 }, async () => {
    const url = await startHttp();
    await kafka.nodes[0]!.kill();
    const down = await eventually('it is noticed', async () => {
      const ready = await get(`${url}/health/ready`);
      return ready.status === 503 && ready.connections.default!.status === 'down' ? ready : undefined;
    });
    expect(down.connections.default!.reason).toContain('UNREACHABLE');
    expect((await get(`${url}/health/live`, 'streams')).status).toBe(200);
    await kafka.nodes[0]!.start();
    const back = performance.now();
    await eventually('it is up again', async () => (await get(`${url}/health/ready`)).status === 200, {
      timeoutMs: 30_000,
      intervalMs: 100,
    });
    console.info(`health: up ${Math.round(performance.now() - back)} ms after Kafka was back`);
  });

  it(
    'a consumer that was put out of its group is not ready, while Kafka answers; ready again when it is back in',
    { timeout: 90_000 },
    async () => {
      const group = freshName('evicted');
      const service = await startApp('test/fault/apps/waiting-service.app.ts', { args: [streams(), group] });
      apps.push(service);
      await service.next('started');
      const health = async (): Promise<StreambackConnectionHealth> => {
        service.send({ type: 'health' });
        return (await service.next<AppMessage & { ready: StreambackHealthResult }>('health')).ready.connections.default!;
      };
      expect(await health()).toMatchObject({ status: 'up', assignedPartitions: 2 });
      // Longer than it would count as well without a heartbeat.
      for (const end = performance.now() + 4_500; performance.now() < end;) expect(await health()).toMatchObject({ status: 'up' });
      await service.kill('SIGSTOP');
      // Another program, that speaks no protocol of ours, takes the group while its member sleeps.
      const foreign = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).consumer({
        groupId: group,
        sessionTimeout: 6_000,
      });
      try {
        await eventually(
          'the group is empty',
          () => kafka.withAdmin(async (admin) => (await admin.describeGroups([group])).groups[0]!.members.length === 0),
          { timeoutMs: 20_000 },
        );
        await foreign.connect();
        await foreign.subscribe({ topics: [`${group}.echo`] });
        const joined = new Promise<void>((resolve) => void foreign.on(foreign.events.GROUP_JOIN, () => resolve()));
        await foreign.run({ eachMessage: () => Promise.resolve() });
        await joined;
        await service.kill('SIGCONT');
        const down = await eventually('it is told', async () => {
          const now = await health();
          return now.reason?.includes('No heartbeat') ? now : undefined;
        });
        expect(down).toMatchObject({ status: 'down', reason: expect.stringContaining(`in group '${group}'`) as string });
        expect(down.heartbeatAgeMs).toBeGreaterThan(3_000);
        console.info(`health: evicted: ${down.reason}`);
      } finally {
        await foreign.disconnect();
      }
      await eventually('it is back in its group', async () => (await health()).status === 'up', { timeoutMs: 20_000, intervalMs: 100 });
    },
  );
});
