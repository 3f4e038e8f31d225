import { afterEach, expect, it } from 'vitest';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene, wait } from './apps';
import { CallsInFlight } from './calls';

const CALLS = FULL_SIZE ? 1_000 : 100;
const AWAY_MS = FULL_SIZE ? 30_000 : 5_000;

describeWith(['kafka', 'own-redis'], 'R10 Redis away while handlers answer', ({ kafkaUrl }) => {
  const scene = new Scene();
  afterEach(() => scene.close());

  it(
    `${CALLS} calls, ${AWAY_MS} ms: each completes, or fails by its deadline; memory grows by at most 50 MB`,
    { timeout: 240_000 },
    async () => {
      const redis = await scene.redis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
      const calls = await CallsInFlight.create(scene, kafkaUrl, redis, CALLS);
      // Handlers end all through the outage and after it; every fifth call has a deadline within.
      const isShort = (id: number): boolean => id % 5 === 0;
      await calls.begin(
        Array.from({ length: CALLS }, (_, id) => ({
          ms: 2_000 + (id / CALLS) * AWAY_MS * 1.2,
          timeoutMs: isShort(id) ? AWAY_MS * 0.9 : AWAY_MS + 60_000,
        })),
      );
      await redis.kill();
      await wait(AWAY_MS);
      await redis.start();
      const ends = await calls.ended(AWAY_MS + 70_000);
      const counts = calls.counts(ends);
      report('R10', { awayMs: AWAY_MS, ...counts });
      expect(ends.filter(({ id, end }) => !isShort(id) && end !== 'complete')).toEqual([]);
      expect(ends.filter(({ end }) => end !== 'complete' && end !== 'DEADLINE_EXCEEDED')).toEqual([]);
      expect(counts).toMatchObject({ calls: CALLS, hanging: 0, wrong: 0 });
      expect(counts.latestFailureAfterDeadlineMs).toBeLessThanOrEqual(1_000);
      expect(Math.max(counts.serviceGrewMb, counts.clientGrewMb)).toBeLessThanOrEqual(50);
    },
  );
});
