import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StreambackHealthResult } from '../../lib';
import type { StreamStatus } from '../../lib/streams/main-stream';
import { startApp, type AppMessage, type AppProcess } from '../support/app-process';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { startRedis, type RedisServer } from '../support/redis';
import { describeWith } from '../support/servers';
import { FULL_SIZE, openStream } from './kafka-load';

const AWAY_MS = FULL_SIZE ? 60_000 : 5_000;
const BACK_MS = 5_000;
/** From the app's own start; one without a server says so within that. */
const START_MS = 5_000;

type Health = AppMessage & { readonly ready: StreambackHealthResult; readonly live: StreambackHealthResult };
type Outcome = AppMessage & { readonly value?: string; readonly code?: string; readonly ms: number };
type Started = AppMessage & { readonly failure?: string; readonly ms: number };

describeWith(['own-kafka', 'own-redis'], 'R24 servers absent at start', () => {
  const apps: AppProcess[] = [];
  let kafka: KafkaServer;
  let redis: RedisServer;
  beforeEach(async () => {
    [kafka, redis] = await Promise.all([startKafka(), startRedis()]);
  }, 120_000);
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.kill();
    await kafka?.stop();
    await redis?.close();
  });

  async function start(group = freshName('absent')): Promise<AppProcess> {
    const app = await startApp('test/fault/apps/waiting-service.app.ts', { args: [`main=${kafka.url}&feedback=${redis.url}`, group] });
    apps.push(app);
    return app;
  }

  async function ask<Answer extends AppMessage>(app: AppProcess, message: AppMessage): Promise<Answer> {
    app.send(message);
    return app.next<Answer>(message.type);
  }

  const healthOf = (app: AppProcess): Promise<Health> => ask<Health>(app, { type: 'health' });

  async function working(app: AppProcess, since: number): Promise<void> {
    await eventually('it is ready', async () => (await healthOf(app)).ready.status === 'up', { timeoutMs: BACK_MS, intervalMs: 100 });
    const ready = Math.round(performance.now() - since);
    const outcome = await ask<Outcome>(app, { type: 'send', id: 'after', timeoutMs: BACK_MS });
    const took = Math.round(performance.now() - since);
    console.info(`R24: ready ${ready} ms, working ${took} ms after the servers came`);
    expect(outcome).toMatchObject({ value: 'after' });
    expect(took).toBeLessThan(BACK_MS);
  }

  const away = {
    Kafka: { kafka: true, redis: false },
    Redis: { kafka: false, redis: true },
    'Kafka and Redis': { kafka: true, redis: true },
  };

  for (const [what, absent] of Object.entries(away)) {
    it(`${what} away for ${AWAY_MS} ms: the app starts, is not ready, and works soon after`, { timeout: AWAY_MS + 60_000 }, async () => {
      const group = freshName('absent');
      await kafka.withAdmin((admin) => createTopics(admin, { topic: `${group}.noted` }));
      const sent: string[] = [];
      if (absent.kafka) await kafka.nodes[0]!.kill();
      if (absent.redis) await redis.stop();
      const awaySince = performance.now();
      const app = await start(group);
      const { failure, ms } = await app.next<Started>('started');
      console.info(`R24: started in ${ms} ms without ${what}`);
      expect(failure).toBeUndefined();
      expect(ms).toBeLessThan(START_MS);
      while (performance.now() - awaySince < AWAY_MS) {
        const { ready, live } = await healthOf(app);
        expect(ready.status).toBe('down');
        expect(live.status).toBe('up');
        const { reason, main, feedback } = ready.connections.default!;
        expect({ main, feedback }).toEqual({ main: absent.kafka ? 'down' : 'up', feedback: absent.redis ? 'down' : 'up' });
        expect(reason).toContain('Check that');
        const request = await ask<Outcome>(app, { type: 'send', id: 'before', timeoutMs: 1_000 });
        expect(['UNREACHABLE', 'DEADLINE_EXCEEDED']).toContain(request.code);
        expect(request.ms).toBeLessThan(2_000);
        // An event needs Kafka alone.
        const id = `event ${sent.length}`;
        const event = await ask<Outcome>(app, { type: 'emit', id });
        if (!event.code) sent.push(id);
        expect(event.code).toBe(absent.kafka ? 'UNREACHABLE' : undefined);
        expect(event.ms).toBeLessThan(6_000);
        expect((await ask<Outcome>(app, { type: 'connect' })).code).toBe('UNREACHABLE');
      }
      const loud = app.output.split('\n').filter((line) => line.includes('does not work yet'));
      expect(loud).toHaveLength(1);
      expect(app.output).toContain('Is going to listen to ');
      expect(app.output).not.toContain('Listens to ');
      if (absent.redis) await redis.start();
      if (absent.kafka) await kafka.nodes[0]!.start();
      await working(app, performance.now());
      expect(app.output.split('\n').filter((line) => line.includes('works now'))).toHaveLength(1);
      const noted = () => app.messages.filter(({ type }) => type === 'noted').map(({ id }) => id);
      await eventually('every event that was taken is handled', () => noted().length >= sent.length);
      console.info(`R24: ${sent.length} events sent meanwhile, ${noted().length} handled`);
      expect(noted()).toEqual(sent);
    });
  }

  it('closing while still trying is prompt and leaves nothing that holds the process', { timeout: 60_000 }, async () => {
    await Promise.all([kafka.nodes[0]!.kill(), redis.stop()]);
    const app = await start();
    await app.next('started');
    const startedAt = performance.now();
    app.send({ type: 'close' });
    expect(await app.exited).toEqual({ code: 0, signal: null });
    const took = Math.round(performance.now() - startedAt);
    console.info(`R24: closed in ${took} ms while still trying`);
    expect(took).toBeLessThan(3_000);
  });

  it('a refused password fails the start, and is the reason in health where it comes later', { timeout: 60_000 }, async () => {
    const setPassword = async (password: string, user?: string): Promise<void> => {
      const admin = new Redis({ port: redis.port, host: '127.0.0.1', ...(user ? { password: user } : {}) });
      await admin.config('SET', 'requirepass', password);
      admin.disconnect();
    };
    await setPassword('canary-secret');
    expect((await (await start()).next<Started>('started')).failure).toBe('AUTHENTICATION_FAILED');

    await redis.stop();
    const app = await start();
    expect((await app.next<Started>('started')).failure).toBeUndefined();
    // It comes back without its password, for a moment: the setting was not kept.
    await redis.start();
    await setPassword('canary-secret');
    await eventually('the reason is told', async () => {
      const { reason } = (await healthOf(app)).ready.connections.default!;
      return reason?.includes('AUTHENTICATION_FAILED');
    });
  });

  it('a subscriber of the stream itself waits for Kafka', { timeout: 120_000 }, async () => {
    const topic = freshName('absent');
    await kafka.nodes[0]!.kill();
    const stream = openStream(kafka.url, { partitions: 1 });
    await expect(stream.connect()).rejects.toMatchObject({ code: 'UNREACHABLE' });
    const received: string[] = [];
    const states: StreamStatus[] = [];
    stream.onStatus((status) => states.push(status));
    const subscribing = stream.subscribe({
      group: freshName('group'),
      topics: [topic],
      maxInFlight: 10,
      drainTimeoutMs: 100,
      onDelivery: (delivery) => {
        received.push(String(delivery.message.value));
        delivery.settle();
      },
    });
    await eventually('it says so', () => states.at(-1) === 'reconnecting');
    await kafka.nodes[0]!.start();
    const back = Date.now();
    await subscribing;
    await stream.publish({ topic, key: null, value: Buffer.from('hello'), headers: [] });
    await eventually('it works', () => received.length === 1);
    console.info(`R24: a subscriber works ${Date.now() - back} ms after Kafka came`);
    expect(Date.now() - back).toBeLessThan(BACK_MS);
    await stream.close();
  });
});
