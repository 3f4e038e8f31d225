import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { StreambackClient } from '../../lib';
import { startApp, type AppProcess } from '../support/app-process';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startRedis, type RedisServer } from '../support/redis';
import { describeWith } from '../support/servers';

const LEASE_MS = 1_000;
const FULL_SIZE = process.env.STREAMBACK_FULL === '1';

describeWith(['kafka', 'own-redis'], 'processes that die', ({ kafkaUrl }) => {
  const apps: AppProcess[] = [];
  let redis: RedisServer;
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.kill();
    await redis.close();
  });

  async function service(): Promise<{ app: AppProcess; group: string; streams: string }> {
    redis = await startRedis();
    const group = freshName('deaths');
    const streams = `main=${kafkaUrl}&feedback=${redis.url}`;
    const app = await startApp('test/fault/apps/endless-service.app.ts', { args: [streams, group, String(LEASE_MS)] });
    apps.push(app);
    await app.next('ready', 60_000);
    return { app, group, streams };
  }

  it('R14: a client dies with lanes open: its handlers are told within two leases, and its keys expire', async () => {
    const lanes = FULL_SIZE ? 100 : 10;
    const { app, group, streams } = await service();
    const client = await startApp('test/fault/apps/endless-client.app.ts', { args: [streams, group, String(LEASE_MS), String(lanes)] });
    apps.push(client);
    await client.next('reading', 60_000);
    await eventually('the silent ones run', () => app.messages.filter(({ type }) => type === 'begun').length === Math.floor(lanes / 2));
    const killedAt = performance.now();
    await client.kill('SIGKILL');
    const told = () => app.messages.filter(({ type }) => type === 'stopped');
    await eventually('all are told', () => told().length === lanes, { timeoutMs: 20_000 });
    const tookMs = Math.round(performance.now() - killedAt);
    const probe = new Redis(redis.port, '127.0.0.1');
    const keys = await probe.keys('*');
    const forever = (await Promise.all(keys.map((key) => probe.pttl(key)))).filter((ttl) => ttl < 0).length;
    await probe.quit();
    const codes = [...new Set(told().map(({ code }) => code))];
    console.log(
      `R14: ${lanes} lanes, ${told().length} handlers told (${codes.join()}) after ${tookMs} ms; keys without expiry: ${forever}`,
    );
    expect(codes).toEqual(['CLIENT_LOST']);
    expect(tookMs).toBeLessThanOrEqual(2 * LEASE_MS + 500);
    expect(forever).toBe(0);
  });

  it('R3: a consumer dies in the middle of streams: every lane that was read errs CONSUMER_LOST, none ends in silence', async () => {
    const lanes = FULL_SIZE ? 100 : 10;
    const { app, group, streams } = await service();
    const client = new StreambackClient({ group: 'reader', topicsPrefix: group, streams, leaseMs: LEASE_MS });
    const begun = new Set<number>();
    const ends: unknown[] = [];
    let disordered = 0;
    for (let id = 0; id < lanes; id++) {
      let next = 0;
      client.send<number>('endless', String(id)).subscribe({
        next: (n) => {
          begun.add(id);
          if (n !== next++) disordered += 1;
        },
        error: (error: { code?: string }) => ends.push(error.code),
        complete: () => ends.push('complete'),
      });
    }
    await eventually('all are read', () => begun.size === lanes);
    const killedAt = performance.now();
    await app.kill('SIGKILL');
    await eventually('all have ended', () => ends.length === lanes, { timeoutMs: 20_000 });
    console.log(
      `R3: ${lanes} lanes, ended as ${[...new Set(ends)].join()} after ${Math.round(performance.now() - killedAt)} ms; out of order: ${disordered}`,
    );
    expect(new Set(ends)).toEqual(new Set(['CONSUMER_LOST']));
    expect(disordered).toBe(0);
    await client.close();
  });
});
