import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern } from '@nestjs/microservices';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { listener, StreambackClient, StreambackContext, StreambackRecord } from '../../lib';
import { decodeEnvelope } from '../../lib/protocol/envelope';
import { FrameEncoder } from '../../lib/protocol/frame';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startRedis } from '../support/redis';
import { describeWith } from '../support/servers';
import { FULL_SIZE, startService } from './nest-app';

const REQUESTS = FULL_SIZE ? 1_000 : 50;
const ANSWERS_EACH = FULL_SIZE ? 100 : 20;
/** So long that each is begun before. */
const TIMEOUT_MS = FULL_SIZE ? 10_000 : 1_000;
const TTL_MS = 5_000;
const GROUP_OF_FRAMES = 'late';

/** What the handlers know of their requests, for those answers that no consumer of ours would still write. */
const known: { readonly id: string; readonly inbox: string; readonly run: number }[] = [];
let release: () => void = () => {};
let late = new Promise<void>((resolve) => (release = resolve));
let handled = 0;

@Controller()
class LateController {
  /** Work that must finish, and answers when it does: after the deadline. */
  @MessagePattern('late', listener({ cancellable: false, concurrency: 2_000 }))
  async *late(@Ctx() context: StreambackContext): AsyncGenerator<number> {
    const { inbox } = decodeEnvelope(context.getMessage().value);
    known.push({ id: context.getId(), inbox: inbox!, run: context.getMessage().rank });
    await late;
    for (let n = 0; n < ANSWERS_EACH; n++) yield n;
    handled += 1;
  }
}

/** Every map, set and queue of an object's own that is not empty, with those of its parts. */
function leftIn(owner: object, skip: ReadonlySet<string>, path = '', seen = new Set<object>()): string[] {
  if (seen.has(owner)) return [];
  seen.add(owner);
  return Object.entries(owner).flatMap(([name, value]): string[] => {
    if (skip.has(name) || typeof value !== 'object' || value === null) return [];
    const own = `${path}.${name}`;
    if (value instanceof Map || value instanceof Set) {
      const left = value.size > 0 ? [`${own}: ${value.size}`] : [];
      return [...left, ...[...value.values()].flatMap((each: unknown) => (isObject(each) ? leftIn(each, skip, `${own}[]`, seen) : []))];
    }
    return leftIn(value, skip, own, seen);
  });
}
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

describeWith(['kafka', 'own-redis'], 'R17 answers that come after the deadline', ({ kafkaUrl }) => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  it(`${REQUESTS * ANSWERS_EACH} answers: none is given, and nothing is left behind`, { timeout: 180_000 }, async () => {
    late = new Promise<void>((resolve) => (release = resolve));
    const redis = await startRedis();
    closers.push(() => redis.close());
    const probe = new Redis(redis.port, '127.0.0.1');
    closers.push(async () => probe.disconnect());
    const group = freshName('late');
    const options = {
      topicsPrefix: group,
      streams: `main=${kafkaUrl}&feedback=${redis.url}`,
      feedbackTtlMs: TTL_MS,
      leaseMs: 1_000,
      maxInFlight: 2_000,
    };
    const service = await startService({ group, ...options }, LateController);
    const client = new StreambackClient({ group: 'reader', ...options });
    const ends: (string | undefined)[] = [];
    let emissions = 0;
    for (let n = 0; n < REQUESTS; n++) {
      client.send('late', new StreambackRecord(n, { timeoutMs: TIMEOUT_MS })).subscribe({
        next: () => (emissions += 1),
        error: (error: { code?: string }) => ends.push(error.code),
        complete: () => ends.push('complete'),
      });
    }
    await eventually('every deadline has passed', () => ends.length === REQUESTS, { timeoutMs: 30_000 });
    // What the consumer still writes, which knows that nobody waits; and what one writes that does not know it.
    release();
    let written = 0;
    for (const { id, inbox, run } of known) {
      const encoder = new FrameEncoder({ id, sourceGroup: GROUP_OF_FRAMES, run, attempt: 1, instance: inbox });
      const frames = Array.from({ length: ANSWERS_EACH - 1 }, (_each, n) => encoder.response([String(n)]));
      frames.push(encoder.end([String(ANSWERS_EACH - 1)]));
      const entry = await probe.xadd(inbox, 'NOMKSTREAM', '*', ...frames.flatMap((frame) => ['f', frame]));
      if (entry !== null) written += frames.length;
    }
    await eventually('the handlers have ended', () => handled === known.length, { timeoutMs: 30_000 });
    const { connection } = client as unknown as {
      connection: { producer: { finder: { answered: ReadonlySet<string> } }; writer: object };
    };
    // Topics of patterns are remembered on purpose, and bounded; so are the patterns that are answered by inbox.
    expect([...connection.producer.finder.answered].filter((pattern) => pattern !== 'late')).toEqual([]);
    const left = () =>
      leftIn(
        { producer: connection.producer, writer: connection.writer },
        new Set(['topics', 'answered', 'main', 'feedback', 'inbox', 'options']),
      );
    await eventually('nothing is left', () => left().length === 0).catch(() => undefined);
    const leftOfClient = left();
    const inboxes = [...new Set(known.map(({ inbox }) => inbox))];
    await eventually(
      'all was read',
      async () => (await Promise.all(inboxes.map((inbox) => probe.xlen(inbox)))).every((size) => size <= 1),
      {
        timeoutMs: 20_000,
      },
    );
    await service.close();
    await client.close();
    const closedAt = performance.now();
    let keys: string[] = [];
    await eventually('no key', async () => (keys = await probe.keys('*')).length === 0, { timeoutMs: 3 * TTL_MS, intervalMs: 50 }).catch(
      () => undefined,
    );
    const tookMs = Math.round(performance.now() - closedAt);
    const codes = [...new Set(ends)].join();
    console.log(
      `R17: ${REQUESTS} requests ended ${codes}, ${known.length} of them handled; ${written} late answers written to their inbox, ${emissions} given; ` +
        `left in maps: ${leftOfClient.join(', ') || '0'}; keys left: ${keys.length} after ${tookMs} ms`,
    );
    expect(codes).toBe('DEADLINE_EXCEEDED');
    expect(known.length).toBeGreaterThan(REQUESTS * 0.9);
    expect(written).toBe(known.length * ANSWERS_EACH);
    expect(emissions).toBe(0);
    expect(leftOfClient).toEqual([]);
    expect(keys).toEqual([]);
    expect(tookMs).toBeLessThanOrEqual(TTL_MS + 1_000);
  });
});
