import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { StreambackClient, type StreambackModuleOptions } from '../../lib';
import { freshName } from '../support/fresh-name';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene, tally } from './apps';

const CALLS = FULL_SIZE ? 100_000 : 20_000;
const IN_FLIGHT = 10_000;

describeWith(['kafka', 'own-redis'], 'R26 calls in flight from one client', ({ kafkaUrl }) => {
  const scene = new Scene();
  afterEach(() => scene.close());

  it(`${CALLS} calls, ${IN_FLIGHT} in flight: 0 lost, over at most 4 sockets to Redis`, { timeout: 240_000 }, async () => {
    const redis = await scene.redis();
    const probe = new Redis(redis.url);
    scene.closers.push(() => probe.quit());
    const group = freshName('calls');
    const options: StreambackModuleOptions = {
      group,
      topicsPrefix: group,
      streams: `main=${kafkaUrl}&feedback=${redis.url}`,
      kafka: { partitions: 4 },
    };
    await scene.app('service', options);
    const sockets = async (): Promise<number> =>
      String(await probe.client('LIST'))
        .trim()
        .split('\n').length;
    const withoutClient = await sockets();
    const client = new StreambackClient({ ...options, group: 'caller' });
    scene.closers.push(() => client.close());
    await client.connect();

    const answers = new Uint8Array(CALLS);
    const ends: string[] = [];
    let [wrong, next, inFlight, mostInFlight, mostSockets] = [0, 0, 0, 0, 0];
    const startedAt = performance.now();
    await new Promise<void>((resolve) => {
      const over = (end: string): void => {
        ends.push(end);
        inFlight -= 1;
        if (next < CALLS) call(next++);
        else if (inFlight === 0) resolve();
      };
      const call = (id: number): void => {
        inFlight += 1;
        mostInFlight = Math.max(mostInFlight, inFlight);
        client.send<{ id: number }>('echo', { id }).subscribe({
          next: (answer) => {
            if (answer.id !== id) wrong += 1;
            answers[id]! += 1;
          },
          complete: () => over('complete'),
          error: (error: { code?: string }) => over(error.code ?? 'an error without code'),
        });
        if (id % (IN_FLIGHT / 4) === 0) void sockets().then((count) => (mostSockets = Math.max(mostSockets, count - withoutClient)));
      };
      while (next < IN_FLIGHT) call(next++);
    });
    const perSecond = Math.round(CALLS / ((performance.now() - startedAt) / 1_000));
    const [lost, twice] = [answers.filter((count) => count === 0).length, answers.filter((count) => count > 1).length];
    report('R26', { calls: CALLS, mostInFlight, ends: tally(ends), lost, twice, wrong, redisSockets: mostSockets, perSecond });
    expect({ mostInFlight, lost, twice, wrong, ends: tally(ends) }).toEqual({
      mostInFlight: IN_FLIGHT,
      lost: 0,
      twice: 0,
      wrong: 0,
      ends: `complete ${CALLS}`,
    });
    expect(mostSockets).toBeGreaterThan(0);
    expect(mostSockets).toBeLessThanOrEqual(4);
  });
});
