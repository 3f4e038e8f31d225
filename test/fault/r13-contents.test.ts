import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { FeedbackWriter, type FeedbackTarget } from '../../lib/inbox/feedback-writer';
import { newInbox } from '../../lib/protocol/keys';
import type { WriteResult } from '../../lib/streams/feedback-stream';
import { CANARY_PASSWORD } from '../support/canary';
import { eventually } from '../support/eventually';
import { startRedis } from '../support/redis';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { startTcpProxy } from '../support/tcp-proxy';
import { openStream } from './redis-cuts';

const ANSWERS = FULL_SIZE ? 20_000 : 1_000;
const CUTS = FULL_SIZE ? 200 : 20;
const INBOXES = 4;
const AT_ONCE = 40;

/** Of 100 to 100,000 characters, no two alike, nor any two places of one. */
function textOf(id: number): string {
  let text = `${id}:`;
  const length = 10 ** (2 + (id % 4)) - (id % 89);
  for (let part = 0; text.length < length; part++) text += createHash('sha256').update(`${id}/${part}`).digest('base64');
  return text;
}

describeWith(['own-redis'], 'R13: what answers hold', () => {
  it(
    `${ANSWERS} answers over ${CUTS} cuts of their writer, in memory that is used again: each arrives as it was`,
    async () => {
      const redis = await startRedis({ password: CANARY_PASSWORD });
      const proxy = await startTcpProxy({ targetPort: redis.port });
      const [writing, reading] = [openStream(redis.urlOn(proxy.port)), openStream(redis.url)];
      const seen = new Set<number>();
      let wrong = 0;
      const targets = Array.from({ length: INBOXES }, (): FeedbackTarget => ({ form: 'inbox', key: newInbox() }));
      const memories = new Set<unknown>();
      let large = 0;
      const write = writing.write.bind(writing);
      writing.write = (inbox, items) => {
        for (const { value } of items) {
          if (value.length < 16_384) continue;
          large += 1;
          memories.add(value.buffer);
        }
        return write(inbox, items);
      };
      const writer = new FeedbackWriter(writing, 60_000, SILENT_LOGGER);
      try {
        for (const { key } of targets) {
          await reading.openReader({
            inbox: key,
            ttlMs: 60_000,
            leaseMs: 5_000,
            onItems: (items) => {
              for (const line of items.flatMap(({ value }) => value.toString().split('\n'))) {
                const id = Number.parseInt(line, 10);
                if (line === textOf(id)) seen.add(id);
                else wrong += 1;
              }
            },
            onLost: () => expect.fail('the inbox is lost'),
          });
        }
        await writing.connect();
        let next = 0;
        const results = new Set<unknown>();
        const work = async (): Promise<void> => {
          while (next < ANSWERS) {
            const id = next++;
            if (id % (ANSWERS / CUTS) === 0) proxy.cutAll();
            const text = textOf(id);
            const written = (resolve: (result: WriteResult | Error) => void) =>
              writer.schedule(targets[id % INBOXES]!, { drain: (lines) => lines.add('frame', text), written: resolve });
            results.add(await new Promise(written));
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, work));
        await eventually('all came', () => seen.size === ANSWERS || wrong > 0, { timeoutMs: 30_000 });
        report('R13', {
          at: 'what answers hold',
          answers: ANSWERS,
          cuts: CUTS,
          wrong,
          missing: ANSWERS - seen.size,
          large,
          memories: memories.size,
        });
        expect([...results]).toEqual(['written']);
        expect({ wrong, missing: ANSWERS - seen.size }).toEqual({ wrong: 0, missing: 0 });
        expect(proxy.accepted).toBeGreaterThan(CUTS / 2);
        expect(memories.size).toBeLessThan(large / 2);
      } finally {
        await writer.close();
        await Promise.all([writing.close(), reading.close()]);
        await proxy.close();
        await redis.close();
      }
    },
    FULL_SIZE ? 600_000 : 60_000,
  );
});
