import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { StreambackClient, type StreambackLaneError } from '../../lib';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { FrameEncoder, pythonFrames } from '../../lib/protocol/frame';
import { feedbackTopicOf, newId, newInbox } from '../../lib/protocol/keys';
import type { RedisConnection } from '../../lib/streams/redis/redis.connection';
import { RedisListReader } from '../../lib/streams/redis/redis.list-reader';
import { CANARY_PASSWORD } from '../support/canary';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startRedis } from '../support/redis';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { startTcpProxy } from '../support/tcp-proxy';
import { openStream } from './redis-cuts';

const LANES = FULL_SIZE ? 200 : 20;
const EACH = 100;

/** The frames of one lane, and how one that is broken may end. */
const KINDS = {
  plain: (_id: string) => ({
    answer: (n: number) => Buffer.from(pythonFrames.response(String(n), 'py')),
    end: () => Buffer.from(pythonFrames.end('py')),
  }),
  numbered: (id: string) => {
    const encoder = new FrameEncoder({ id, sourceGroup: 'nest', run: 1, attempt: 1, instance: newInbox() });
    return { answer: (n: number) => Buffer.from(encoder.response([String(n)])), end: () => Buffer.from(encoder.end()) };
  },
} as const;

/** Streams as `RedisListReader` sees them. */
interface Connections {
  readonly writing: RedisConnection;
  newConnection(): RedisConnection;
}

describeWith(['own-redis'], 'R12 feedback lists, read through a client', () => {
  it('a cut that takes the answer by which a pop was to end: another list is popped at once all the same', async () => {
    const redis = await startRedis();
    const proxy = await startTcpProxy({ targetPort: redis.port });
    const [direct, cut] = [openStream(redis.url), openStream(redis.urlOn(proxy.port))];
    const { writing } = direct as unknown as Connections;
    const reader = new RedisListReader(writing, () => (cut as unknown as Connections).newConnection(), SILENT_LOGGER);
    const probe = new Redis(redis.url);
    const isPopping = async (): Promise<boolean> => String(await probe.client('LIST')).includes('cmd=blmpop');
    const listen = async (received: string[]) => {
      const feedbackTopic = feedbackTopicOf(newId());
      const onFrames = (frames: readonly Buffer[]): void => void received.push(...frames.map(String));
      return { feedbackTopic, list: await reader.open({ feedbackTopic, onFrames, onUncertain: () => {} }) };
    };
    const first = await listen([]);
    await eventually('it pops', isPopping);
    proxy.cutInAnswer(0.1);
    const closed = first.list.close();
    await eventually('its answer was cut', () => proxy.accepted === 2);
    const received: string[] = [];
    const second = await listen(received);
    const startedAt = performance.now();
    await direct.writeList(second.feedbackTopic, [Buffer.from('frame')], 60_000);
    await eventually('the other list is popped', () => received.length === 1);
    const tookMs = Math.round(performance.now() - startedAt);
    report('R12', { at: 'a list opened after the cut', poppedAfterMs: tookMs });
    expect(tookMs).toBeLessThan(1_500);
    await Promise.all([closed, second.list.close()]);
    await probe.quit();
    await Promise.all([reader.close(), direct.close(), cut.close()]);
    await proxy.close();
    await redis.close();
  });

  it.each(['plain', 'numbered'] as const)(
    `a cut in each of ${LANES} streams of %s frames: every lane is whole, or errs; none ends short`,
    { timeout: FULL_SIZE ? 900_000 : 120_000 },
    async (kind) => {
      const redis = await startRedis({ password: CANARY_PASSWORD });
      const proxy = await startTcpProxy({ targetPort: redis.port });
      const writer = openStream(redis.url);
      const streams = { main: `memory://${freshName('cuts')}`, feedback: redis.urlOn(proxy.port) };
      const client = new StreambackClient({ group: 'reader', streams, leaseMs: 60_000 });
      const counts = { lanes: LANES, whole: 0, errors: {} as Record<string, number>, endedShort: 0, outOfOrderOrTwice: 0 };
      try {
        await client.connect();
        for (let lane = 0; lane < LANES; lane += 1) {
          const id = newId();
          const topic = feedbackTopicOf(id);
          const { answer, end } = KINDS[kind](id);
          const read: number[] = [];
          const reading = (async () => {
            for await (const n of client.resume<number>(topic, { idleTimeoutMs: 2_000 })) read.push(n);
          })();
          const outcome = reading.then(
            () => 'end',
            (error: StreambackLaneError) => error.code,
          );
          const cutAt = Math.floor((Math.random() * EACH) / 10) * 10;
          for (let at = 0; at < EACH; at += 10) {
            const written = writer.writeList(
              topic,
              Array.from({ length: 10 }, (_, n) => answer(at + n)),
              60_000,
            );
            if (at === cutAt) {
              if (Math.random() < 0.5) await written;
              proxy.cutAll();
            }
            await written;
          }
          await writer.writeList(topic, [end()], 60_000);
          const code = await outcome;
          if (code !== 'end') counts.errors[code] = (counts.errors[code] ?? 0) + 1;
          else if (read.length === EACH) counts.whole += 1;
          else counts.endedShort += 1;
          if (read.some((n, index) => n !== index)) counts.outOfOrderOrTwice += 1;
          await eventually('it is connected again', () => proxy.connections >= 3);
        }
        const { errors, ...rest } = counts;
        report('R12', { at: `lists, ${kind} frames`, ...rest, uncertain: errors.FEEDBACK_UNCERTAIN ?? 0, gap: errors.GAP ?? 0 });
        expect(counts).toMatchObject({ endedShort: 0, outOfOrderOrTwice: 0 });
        expect(Object.keys(errors).filter((code) => !['GAP', 'FEEDBACK_UNCERTAIN'].includes(code))).toEqual([]);
      } finally {
        await Promise.all([client.close(), writer.close()]);
        await proxy.close();
        await redis.close();
      }
    },
  );
});
