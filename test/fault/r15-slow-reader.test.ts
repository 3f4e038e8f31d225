import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import type { StreambackModuleOptions } from '../../lib';
import { freshName } from '../support/fresh-name';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene, stateOf, wait } from './apps';
import { MemorySamples } from './memory';

const DURATION_MS = FULL_SIZE ? 600_000 : 20_000;
const WARM_UP_MS = FULL_SIZE ? 30_000 : 5_000;
const MEMORY_EVERY_MS = FULL_SIZE ? 2_000 : 500;
const CREDIT = 256;
/** What a responder hands to the writer at once, at most (its MAX_UNWRITTEN). */
const BATCH = 256;
const BYTES = 1_000;

describeWith(['kafka', 'own-redis'], 'R15 a slow reader', ({ kafkaUrl }) => {
  const scene = new Scene();
  afterEach(() => scene.close());

  it(
    `a lane read a hundred times slower than its generator could write, ${DURATION_MS / 1_000} s: what waits and memory stay bounded`,
    { timeout: DURATION_MS + 120_000 },
    async () => {
      const redis = await scene.redis();
      const probe = new Redis(redis.url);
      scene.closers.push(() => probe.quit());
      const inboxes = () => probe.keys('streamback_inbox_*');
      const group = freshName('slow');
      const options: StreambackModuleOptions = {
        group,
        topicsPrefix: group,
        streams: `main=${kafkaUrl}&feedback=${redis.url}`,
        defaultRequestOptions: { credit: CREDIT },
        kafka: { partitions: 1 },
      };
      const service = await scene.app('service', options);
      const servicesOwn = await inboxes();
      const reader = await scene.app('slow-reader', { ...options, group: 'reader' }, JSON.stringify({ bytes: BYTES }));
      const inbox = (await inboxes()).find((key) => !servicesOwn.includes(key))!;
      const { perSecond } = await reader.next<{ type: string; perSecond: number }>('slow', 30_000);

      const most = { entries: 0, framesInInbox: 0, ahead: 0 };
      const memory = { service: new MemorySamples(WARM_UP_MS), reader: new MemorySamples(WARM_UP_MS) };
      const startedAt = performance.now();
      let inboxSamples = 0;
      let memoryDueMs = 0;
      let read = 0;
      let outOfOrder = 0;
      for (let atMs = 0; atMs < DURATION_MS; atMs = performance.now() - startedAt) {
        most.entries = Math.max(most.entries, await probe.xlen(inbox));
        const entries = await probe.xrange(inbox, '-', '+');
        const frames = entries.reduce((sum, [, fields]) => sum + fields.filter((_, at) => at % 2 === 0).length, 0);
        most.framesInInbox = Math.max(most.framesInInbox, frames);
        inboxSamples += 1;
        if (atMs >= memoryDueMs) {
          memoryDueMs += MEMORY_EVERY_MS;
          // The reader first: what it reads until the service answers counts as ahead, too; within a second.
          const readers = await stateOf(reader);
          const services = await stateOf(service);
          memory.reader.add(atMs, readers);
          memory.service.add(atMs, services);
          ({ read, outOfOrder } = readers as unknown as { read: number; outOfOrder: number });
          most.ahead = Math.max(most.ahead, services.yielded - read);
        }
        await wait(20);
      }
      const left = await inboxes();
      report('R15', {
        seconds: DURATION_MS / 1_000,
        couldWritePerSecond: perSecond,
        read,
        outOfOrder,
        inboxSamples,
        mostEntriesInInbox: most.entries,
        mostFramesInInbox: most.framesInInbox,
        mostYieldedAheadOfTheReader: most.ahead,
        serviceRssGrewPercent: memory.service.growth('rssMb'),
        readerRssGrewPercent: memory.reader.growth('rssMb'),
        serviceLiveGrewPercent: memory.service.growth('liveMb'),
        readerLiveGrewPercent: memory.reader.growth('liveMb'),
        serviceRssMb: memory.service.last('rssMb'),
        readerRssMb: memory.reader.last('rssMb'),
      });
      expect(left).toContain(inbox);
      // It has really been slowed: much more could have been written.
      expect(read).toBeGreaterThan(((DURATION_MS / 1_000) * perSecond) / 200);
      expect(outOfOrder).toBe(0);
      expect(most.framesInInbox).toBeLessThanOrEqual(CREDIT + BATCH);
      expect(most.ahead).toBeLessThanOrEqual(CREDIT + BATCH + perSecond / 100);
      expect(Math.max(memory.service.growth('rssMb'), memory.reader.growth('rssMb'))).toBeLessThanOrEqual(10);
    },
  );
});
