import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { afterEach, expect, it } from 'vitest';
import { StreambackClient, StreambackContext } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka } from '../support/kafka';
import { startRedis } from '../support/redis';
import { describeWith } from '../support/servers';
import { startTcpProxy } from '../support/tcp-proxy';
import { FULL_SIZE, startService } from './nest-app';

const AWAY_MS = FULL_SIZE ? 30_000 : 5_000;
const LANES = FULL_SIZE ? 100 : 40;
const ANSWERS = 400;
const ANSWER_BYTES = 20_000;
const MAX_PENDING_BYTES = 4_000_000;

/** What handlers have given and their readers have not had. */
const given = { bytes: 0, running: 0 };

@Controller()
class GivingController {
  @MessagePattern('give')
  async *give(@Payload() id: number): AsyncGenerator<{ id: number; n: number; text: string }> {
    given.running += 1;
    const text = 'x'.repeat(ANSWER_BYTES);
    for (let n = 0; n < ANSWERS; n++) {
      given.bytes += ANSWER_BYTES;
      yield { id, n, text };
    }
  }

  @MessagePattern('respond')
  async respond(@Payload() id: number, @Ctx() context: StreambackContext): Promise<void> {
    given.running += 1;
    const text = 'x'.repeat(ANSWER_BYTES);
    for (let n = 0; n < ANSWERS; n++) {
      given.bytes += ANSWER_BYTES;
      await context.respond({ id, n, text });
    }
  }
}

describeWith(['kafka', 'own-redis', 'own-kafka'], 'R10 memory while a server is away', ({ kafkaUrl }) => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  it(
    `Redis away for ${AWAY_MS} ms under ${LANES} streams: handlers wait, and every stream is whole afterwards`,
    { timeout: 180_000 },
    async () => {
      const redis = await startRedis();
      closers.push(() => redis.close());
      const proxy = await startTcpProxy({ targetPort: redis.port });
      closers.push(() => proxy.close());
      const group = freshName('pending');
      const streams = (port: number) => `main=${kafkaUrl}&feedback=redis://127.0.0.1:${port}`;
      const limits = { topicsPrefix: group, maxPendingBytes: MAX_PENDING_BYTES };
      const service = await startService({ group, streams: streams(proxy.port), ...limits }, GivingController);
      const client = new StreambackClient({ group: 'reader', streams: streams(redis.port), topicsPrefix: group });
      closers.push(
        () => service.close(),
        () => client.close(),
      );
      const received = Array.from({ length: LANES }, () => 0);
      let disordered = 0;
      let readBytes = 0;
      let failed = 0;
      const ended = received.map(
        (_each, id) =>
          new Promise<void>((resolve) => {
            client.send<{ n: number }>(id % 2 === 0 ? 'give' : 'respond', id).subscribe({
              next: ({ n }) => {
                if (n !== received[id]) disordered += 1;
                received[id]! += 1;
                readBytes += ANSWER_BYTES;
              },
              error: () => ((failed += 1), resolve()),
              complete: () => resolve(),
            });
          }),
      );
      await eventually('all run', () => given.running === LANES, { timeoutMs: 30_000 });
      const rssBefore = process.memoryUsage().rss;
      proxy.refuse();
      let mostHeld = 0;
      let mostRss = 0;
      const until = performance.now() + AWAY_MS;
      await eventually(
        'the time is over',
        () => {
          mostHeld = Math.max(mostHeld, given.bytes - readBytes);
          mostRss = Math.max(mostRss, process.memoryUsage().rss - rssBefore);
          return performance.now() > until;
        },
        { timeoutMs: AWAY_MS + 10_000 },
      );
      const stalledAt = given.bytes;
      proxy.resume();
      await Promise.all(ended);
      const whole = received.filter((count) => count === ANSWERS).length;
      const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
      console.log(
        `R10: ${LANES} streams of ${megabytes(ANSWERS * ANSWER_BYTES)} MB with Redis away for ${AWAY_MS} ms: at most ${megabytes(mostHeld)} MB given and not read ` +
          `(limit ${megabytes(MAX_PENDING_BYTES)} and one answer a handler), RSS +${megabytes(mostRss)} MB; ${whole} whole, ${failed} failed, ${disordered} out of order`,
      );
      expect(stalledAt).toBeLessThan(LANES * ANSWERS * ANSWER_BYTES);
      // Beyond the limit: one answer for each handler, and what was on its way to the reader in a write whose reply was lost.
      expect(mostHeld).toBeLessThanOrEqual(2 * MAX_PENDING_BYTES + LANES * ANSWER_BYTES);
      expect(mostRss).toBeLessThanOrEqual(50_000_000);
      expect([whole, failed, disordered]).toEqual([LANES, 0, 0]);
    },
  );

  it('Kafka away: sends beyond maxPendingBytes are refused, and what was taken arrives once it is back', { timeout: 120_000 }, async () => {
    const kafka = await startKafka({ proxied: true });
    closers.push(() => kafka.stop());
    const topic = freshName('pending').replace('.', '-');
    const streams = { main: kafka.url };
    const heard = new Set<number>();
    const options = { group: 'sender', streams, maxPendingBytes: 100_000, publishTimeoutMs: 60_000 };
    const client = new StreambackClient(options);
    closers.push(() => client.close());
    await kafka.withAdmin((admin) => admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false }));
    await eventually('warm', () => lastValueFrom(client.emit(topic, { id: -1 })).then(() => true));
    kafka.nodes[0]!.proxy!.refuse();
    const outcomes = await (async () => {
      const sent = Array.from({ length: 1_000 }, (_each, id) =>
        lastValueFrom(client.emit(topic, { id, text: 'x'.repeat(1_000) })).then(
          () => (heard.add(id), 'sent'),
          (error: { code: string }) => error.code,
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      kafka.nodes[0]!.proxy!.resume();
      return Promise.all(sent);
    })();
    const count = (outcome: string) => outcomes.filter((each) => each === outcome).length;
    console.log(`R10: of 1,000 events of 1 kB with Kafka away and 100 kB allowed: ${count('sent')} sent, ${count('BUFFER_FULL')} refused`);
    expect(count('sent') + count('BUFFER_FULL')).toBe(1_000);
    expect(count('sent')).toBeGreaterThan(50);
    expect(count('sent')).toBeLessThanOrEqual(100);
    expect(await lastValueFrom(client.emit(topic, { id: 1_000 }))).toBeUndefined();
  });
});
