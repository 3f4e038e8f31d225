import { afterEach, expect, it } from 'vitest';
import { feedbackTopicOf, newId } from '../../lib/protocol/keys';
import { CANARY_PASSWORD } from '../support/canary';
import { eventually } from '../support/eventually';
import { startRedis } from '../support/redis';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { startTcpProxy } from '../support/tcp-proxy';
import { Scene } from './apps';
import { CUTS, cutsDuring, FRAMES, frames, observeDuringCuts, openInbox, openStream, statistics } from './redis-cuts';

const TIMEOUT_MS = FULL_SIZE ? 600_000 : 60_000;

describeWith(['own-redis'], "R13 the writer's socket is cut", () => {
  it(`R13: the writer's socket, ${CUTS} times in ${FRAMES} frames: none missing, order kept`, { timeout: TIMEOUT_MS }, async () => {
    const redis = await startRedis({ password: CANARY_PASSWORD });
    const proxy = await startTcpProxy({ targetPort: redis.port });
    const [writer, reading] = [openStream(redis.urlOn(proxy.port)), openStream(redis.url)];
    try {
      const cuts = cutsDuring(proxy);
      const { inbox, received } = await openInbox(reading);
      await writer.connect();
      const writes: Promise<string>[] = [];
      for (let at = 0; at < FRAMES; at += 10) {
        writes.push(writer.write(inbox, frames(at, at + 10)));
        // Let some be answered, so that a cut falls among sent, stored and waiting ones.
        if (at % 200 === 0) await writes[Math.max(0, writes.length - 10)];
        cuts.progress(at + 10);
      }
      expect([...new Set(await Promise.all(writes))]).toEqual(['written']);
      await eventually('all came', () => new Set(received).size === FRAMES, { timeoutMs: 30_000 });
      report('R13', { at: 'the stream', frames: FRAMES, cuts: cuts.done, connections: proxy.accepted, ...statistics(received) });
      expect(cuts.done).toBe(CUTS);
      expect(proxy.accepted).toBeGreaterThan(CUTS / 2);
      expect(statistics(received)).toMatchObject({ missing: 0, outOfOrder: 0 });
    } finally {
      await Promise.all([writer.close(), reading.close()]);
      await proxy.close();
      await redis.close();
    }
  });

  it(
    `R13: the writer of a feedback list, ${CUTS} times in ${FRAMES} frames: none missing, order kept`,
    { timeout: TIMEOUT_MS },
    async () => {
      const redis = await startRedis({ password: CANARY_PASSWORD });
      const proxy = await startTcpProxy({ targetPort: redis.port });
      const [writer, reading] = [openStream(redis.urlOn(proxy.port)), openStream(redis.url)];
      try {
        const cuts = cutsDuring(proxy);
        const feedbackTopic = feedbackTopicOf(newId());
        const received: number[] = [];
        await reading.openListReader({
          feedbackTopic,
          onFrames: (some) => {
            for (const one of some) received.push(Number(one));
          },
          onUncertain: () => expect.fail('the reader was not cut'),
        });
        const writes: Promise<void>[] = [];
        for (let at = 0; at < FRAMES; at += 10) {
          writes.push(
            writer.writeList(
              feedbackTopic,
              frames(at, at + 10).map(({ value }) => value),
              60_000,
            ),
          );
          if (at % 200 === 0) await writes[Math.max(0, writes.length - 10)];
          cuts.progress(at + 10);
        }
        await Promise.all(writes);
        await eventually('all came', () => new Set(received).size === FRAMES, { timeoutMs: 30_000 });
        report('R13', { at: 'the stream', frames: FRAMES, cuts: cuts.done, connections: proxy.accepted, ...statistics(received) });
        expect(statistics(received)).toMatchObject({ missing: 0, outOfOrder: 0 });
      } finally {
        await Promise.all([writer.close(), reading.close()]);
        await proxy.close();
        await redis.close();
      }
    },
  );
});

describeWith(['kafka', 'own-redis'], 'R13 at the Observable', ({ kafkaUrl }) => {
  const scene = new Scene();
  afterEach(() => scene.close());

  it(
    `the service's sockets, ${CUTS} times in ${FRAMES} answers: none missing, none twice, none out of order`,
    { timeout: TIMEOUT_MS },
    async () => {
      const counts = await observeDuringCuts(scene, kafkaUrl, await scene.redis(), 'service');
      report('R13', { at: 'the Observable', ...counts });
      expect(counts).toMatchObject({ missing: 0, twice: 0, outOfOrder: 0 });
    },
  );
});
