import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene } from './apps';
import { CallsInFlight } from './calls';

const CALLS = FULL_SIZE ? 1_000 : 100;

describeWith(['kafka', 'own-redis'], 'R11 Redis emptied with calls in flight', ({ kafkaUrl }) => {
  const scene = new Scene();
  afterEach(() => scene.close());

  it(`FLUSHALL, ${CALLS} calls: each ends by its deadline, none hangs, and the next ones are answered`, { timeout: 120_000 }, async () => {
    const redis = await scene.redis();
    const probe = new Redis(redis.url);
    scene.closers.push(() => probe.quit());
    const calls = await CallsInFlight.create(scene, kafkaUrl, redis, CALLS);
    await calls.begin(Array.from({ length: CALLS }, (_, id) => ({ ms: 2_000 + (id / CALLS) * 5_000, timeoutMs: 10_000 })));
    await probe.flushall();
    const counts = calls.counts(await calls.ended(30_000));
    const after = await calls.end(Array.from({ length: CALLS }, () => ({ ms: 100, timeoutMs: 10_000 })));
    const answeredAfterwards = after.filter(({ end, answers }) => end === 'complete' && answers === 1).length;
    report('R11', { ...counts, answeredAfterwards });
    expect(counts).toMatchObject({ calls: CALLS, ends: `INBOX_LOST ${CALLS}`, hanging: 0, wrong: 0 });
    expect(counts.latestFailureAfterDeadlineMs).toBeLessThanOrEqual(0);
    expect(answeredAfterwards).toBe(CALLS);
  });
});
