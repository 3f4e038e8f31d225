import { expect, it } from 'vitest';
import { SILENT_LOGGER, type StreambackLogger } from '../../lib/common/logger';
import { feedbackTopicOf, newId, newInbox } from '../../lib/protocol/keys';
import type { InboxItem } from '../../lib/streams/feedback-stream';
import { RedisFeedbackStream } from '../../lib/streams/redis/redis.feedback-stream';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { eventually } from '../support/eventually';
import { startRedis } from '../support/redis';
import { describeWith } from '../support/servers';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

const FRAMES = 10_000;
const CUTS = 20;
const LIVES = { ttlMs: 60_000, leaseMs: 1_000 };

const stream = (port: number, logger: StreambackLogger = SILENT_LOGGER, connectTimeoutMs = 10_000) =>
  new RedisFeedbackStream({ url: parseStreamUrl(`redis://127.0.0.1:${port}`), options: {}, logger, connectTimeoutMs });

const frames = (from: number, to: number): InboxItem[] =>
  Array.from({ length: to - from }, (_, index) => ({ field: 'frame', value: Buffer.from(String(from + index)) }));

async function openInbox(reading: RedisFeedbackStream) {
  const received: number[] = [];
  let lost = 0;
  const inbox = newInbox();
  await reading.openReader({
    ...LIVES,
    inbox,
    onItems: (items) => {
      for (const { value } of items) received.push(Number(value));
    },
    onLost: () => (lost += 1),
  });
  return { inbox, received, lost: () => lost };
}

/** Cuts at evenly random moments of the work: between two batches, when so many items went or came. */
function cutsDuring(proxy: TcpProxy) {
  let done = 0;
  let next = Math.random() * (FRAMES / CUTS);
  return {
    get done() {
      return done;
    },
    progress(count: number): boolean {
      if (done >= CUTS || count < next) return false;
      done += 1;
      next = (done + Math.random()) * (FRAMES / CUTS);
      proxy.cutAll();
      return true;
    },
  };
}

const statistics = (received: readonly number[]) => {
  const seen = new Set<number>();
  const firsts = received.filter((id) => !seen.has(id) && seen.add(id));
  return {
    missing: FRAMES - seen.size,
    duplicates: received.length - seen.size,
    disorder: firsts.filter((id, index) => index > 0 && id < firsts[index - 1]!).length,
  };
};

describeWith(['own-redis'], 'Redis connections that are cut', () => {
  it(`R12: the reader's socket, ${CUTS} times in ${FRAMES} frames: none missing, none twice`, async () => {
    const redis = await startRedis();
    const proxy = await startTcpProxy({ targetPort: redis.port });
    const [writer, reading] = [stream(redis.port), stream(proxy.port)];
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
      console.info(`R12: ${CUTS} cuts, ${proxy.accepted} connections`, statistics(received));
      expect(proxy.accepted).toBeGreaterThan(CUTS);
      expect(statistics(received)).toEqual({ missing: 0, duplicates: 0, disorder: 0 });
      expect(lost()).toBe(0);
    } finally {
      await Promise.all([writer.close(), reading.close()]);
      await proxy.close();
      await redis.close();
    }
  });

  it(`R13: the writer's socket, ${CUTS} times in ${FRAMES} frames: none missing, order kept`, async () => {
    const redis = await startRedis();
    const proxy = await startTcpProxy({ targetPort: redis.port });
    const [writer, reading] = [stream(proxy.port), stream(redis.port)];
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
      console.info(`R13: ${cuts.done} cuts, ${proxy.accepted} connections`, statistics(received));
      expect(cuts.done).toBe(CUTS);
      expect(proxy.accepted).toBeGreaterThan(CUTS / 2);
      expect(statistics(received)).toMatchObject({ missing: 0, disorder: 0 });
    } finally {
      await Promise.all([writer.close(), reading.close()]);
      await proxy.close();
      await redis.close();
    }
  });

  it('R12: a feedback list: each cut in a pop is told, order is kept', async () => {
    const redis = await startRedis();
    const proxy = await startTcpProxy({ targetPort: redis.port });
    const [writer, reading] = [stream(redis.port), stream(proxy.port)];
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
      for (let cut = 1; cut <= 5; cut += 1) {
        await writer.writeList(feedbackTopic, [Buffer.from(String(2 * cut))], 60_000);
        await eventually('before the cut', () => received.includes(2 * cut));
        proxy.cutAll();
        await eventually('the cut is told', () => uncertain === cut);
        await writer.writeList(feedbackTopic, [Buffer.from(String(2 * cut + 1))], 60_000);
        await eventually('after the cut', () => received.includes(2 * cut + 1));
      }
      expect(received).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      expect(uncertain).toBe(5);
    } finally {
      await Promise.all([writer.close(), reading.close()]);
      await proxy.close();
      await redis.close();
    }
  });

  it(`R13: the writer of a feedback list, ${CUTS} times in ${FRAMES} frames: none missing, order kept`, async () => {
    const redis = await startRedis();
    const proxy = await startTcpProxy({ targetPort: redis.port });
    const [writer, reading] = [stream(proxy.port), stream(redis.port)];
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
      console.info(`R13, lists: ${cuts.done} cuts, ${proxy.accepted} connections`, statistics(received));
      expect(statistics(received)).toMatchObject({ missing: 0, disorder: 0 });
    } finally {
      await Promise.all([writer.close(), reading.close()]);
      await proxy.close();
      await redis.close();
    }
  });
});
