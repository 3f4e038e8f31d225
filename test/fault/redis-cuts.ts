import { expect } from 'vitest';
import { StreambackClient, type StreambackModuleOptions } from '../../lib';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { newInbox } from '../../lib/protocol/keys';
import type { InboxItem } from '../../lib/streams/feedback-stream';
import { RedisFeedbackStream } from '../../lib/streams/redis/redis.feedback-stream';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import type { RedisServer } from '../support/redis';
import { FULL_SIZE } from '../support/report';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import type { Scene } from './apps';
import type { CountAnswer } from './apps/service.app';

export const FRAMES = FULL_SIZE ? 100_000 : 10_000;
export const CUTS = FULL_SIZE ? 200 : 20;
const LIVES = { ttlMs: 60_000, leaseMs: 1_000 };

export const openStream = (url: string): RedisFeedbackStream =>
  new RedisFeedbackStream({ url: parseStreamUrl(url), options: {}, logger: SILENT_LOGGER, connectTimeoutMs: 10_000 });

export const frames = (from: number, to: number): InboxItem[] =>
  Array.from({ length: to - from }, (_, index) => ({ field: 'frame', value: Buffer.from(String(from + index)) }));

export async function openInbox(reading: RedisFeedbackStream) {
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
export function cutsDuring(proxy: TcpProxy) {
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

export const statistics = (received: readonly number[]) => {
  const seen = new Set<number>();
  const firsts = received.filter((id) => !seen.has(id) && seen.add(id));
  return {
    missing: FRAMES - seen.size,
    twice: received.length - seen.size,
    outOfOrder: firsts.filter((id, index) => index > 0 && id < firsts[index - 1]!).length,
  };
};

/**
 * Reads streams through a Nest client, and cuts sockets in the middle of each: its own (`client`), or those of the service. Each is a
 * stream of its own, as the credit of a long one grows until all is on its way before the next cut.
 */
export async function observeDuringCuts(scene: Scene, kafkaUrl: string, redis: RedisServer, whose: 'client' | 'service') {
  const proxy = await startTcpProxy({ targetPort: redis.port });
  scene.closers.push(() => proxy.close());
  const group = freshName('cuts');
  const optionsOn = (url: string): StreambackModuleOptions => ({
    group,
    topicsPrefix: group,
    streams: `main=${kafkaUrl}&feedback=${url}`,
    kafka: { partitions: 1 },
  });
  const [through, direct] = [optionsOn(redis.urlOn(proxy.port)), optionsOn(redis.url)];
  await scene.app('service', whose === 'service' ? through : direct);
  const client = new StreambackClient({ ...(whose === 'client' ? through : direct), group: 'reader' });
  scene.closers.push(() => client.close());
  await client.connect();
  const received: number[] = [];
  const each = FRAMES / CUTS;
  for (let cut = 0; cut < CUTS; cut++) {
    await eventually('both sockets are up', () => proxy.connections === 2);
    const moment = cut * each + Math.floor(Math.random() * each);
    await new Promise<void>((resolve, reject) => {
      client.send<CountAnswer>('count', { to: each }).subscribe({
        next: ({ n }) => {
          if (received.push(cut * each + n) === moment + 1) proxy.cutAll();
        },
        complete: resolve,
        error: reject,
      });
    });
  }
  const counts = { frames: FRAMES, cuts: CUTS, connections: proxy.accepted, ...statistics(received) };
  expect(counts.connections).toBeGreaterThanOrEqual(2 * CUTS);
  return counts;
}
