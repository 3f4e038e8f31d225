import { afterEach, expect, it } from 'vitest';
import { feedbackTopicOf, newId } from '../../lib/protocol/keys';
import { CANARY_PASSWORD } from '../support/canary';
import { eventually } from '../support/eventually';
import { startRedis } from '../support/redis';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { startTcpProxy } from '../support/tcp-proxy';
import { Scene } from './apps';
import { CUTS, FRAMES, frames, observeDuringCuts, openInbox, openStream, statistics } from './redis-cuts';

const LIST_CUTS = CUTS / 4;
const TIMEOUT_MS = FULL_SIZE ? 600_000 : 60_000;

describeWith(['own-redis'], "R12 the reader's socket is cut", () => {
  it(`R12: the reader's socket, ${CUTS} times in ${FRAMES} frames: none missing, none twice`, { timeout: TIMEOUT_MS }, async () => {
    const redis = await startRedis({ password: CANARY_PASSWORD });
    const proxy = await startTcpProxy({ targetPort: redis.port });
    const [writer, reading] = [openStream(redis.url), openStream(redis.urlOn(proxy.port))];
    try {
      const { inbox, received, lost } = await openInbox(reading);
      const each = FRAMES / CUTS;
      for (let cut = 0; cut < CUTS; cut += 1) {
        // Cut while writes flow, so that it falls into reads.
        const moment = Math.floor((Math.random() * each) / 10) * 10;
        const writes: Promise<string>[] = [];
        for (let at = 0; at < each; at += 10) {
          writes.push(writer.write(inbox, frames(cut * each + at, cut * each + at + 10)));
          if (at % 50 === 0) await writes.at(-1);
          if (at === moment) proxy.cutAll();
        }
        await Promise.all(writes);
        await eventually('read again', () => received.length >= (cut + 1) * each);
      }
      await eventually('all came', () => received.length >= FRAMES, { timeoutMs: 30_000 });
      report('R12', { at: 'the stream', frames: FRAMES, cuts: CUTS, connections: proxy.accepted, ...statistics(received) });
      expect(proxy.accepted).toBeGreaterThan(CUTS);
      expect(statistics(received)).toEqual({ missing: 0, twice: 0, outOfOrder: 0 });
      expect(lost()).toBe(0);
    } finally {
      await Promise.all([writer.close(), reading.close()]);
      await proxy.close();
      await redis.close();
    }
  });

  it(`R12: a feedback list: each of ${LIST_CUTS} cuts in a pop is told, order is kept`, { timeout: TIMEOUT_MS }, async () => {
    const redis = await startRedis({ password: CANARY_PASSWORD });
    const proxy = await startTcpProxy({ targetPort: redis.port });
    const [writer, reading] = [openStream(redis.url), openStream(redis.urlOn(proxy.port))];
    try {
      const feedbackTopic = feedbackTopicOf(newId());
      const received: number[] = [];
      let uncertain = 0;
      await reading.openListReader({
        feedbackTopic,
        onFrames: (some) => {
          for (const one of some) received.push(Number(one));
        },
        onUncertain: () => (uncertain += 1),
      });
      for (let cut = 1; cut <= LIST_CUTS; cut += 1) {
        await writer.writeList(feedbackTopic, [Buffer.from(String(2 * cut))], 60_000);
        await eventually('before the cut', () => received.includes(2 * cut));
        proxy.cutAll();
        await eventually('the cut is told', () => uncertain === cut);
        await writer.writeList(feedbackTopic, [Buffer.from(String(2 * cut + 1))], 60_000);
        await eventually('after the cut', () => received.includes(2 * cut + 1));
      }
      const expected = Array.from({ length: 2 * LIST_CUTS }, (_, index) => index + 2);
      report('R12', { listCuts: LIST_CUTS, toldUncertain: uncertain, missing: expected.filter((id) => !received.includes(id)).length });
      expect(received).toEqual(expected);
      expect(uncertain).toBe(LIST_CUTS);
    } finally {
      await Promise.all([writer.close(), reading.close()]);
      await proxy.close();
      await redis.close();
    }
  });
});

describeWith(['kafka', 'own-redis'], 'R12 at the Observable', ({ kafkaUrl }) => {
  const scene = new Scene();
  afterEach(() => scene.close());

  it(
    `the client's sockets, ${CUTS} times in ${FRAMES} answers: none missing, none twice, none out of order`,
    { timeout: TIMEOUT_MS },
    async () => {
      const counts = await observeDuringCuts(scene, kafkaUrl, await scene.redis(), 'client');
      report('R12', { at: 'the Observable', ...counts });
      expect(counts).toMatchObject({ missing: 0, twice: 0, outOfOrder: 0 });
    },
  );
});
