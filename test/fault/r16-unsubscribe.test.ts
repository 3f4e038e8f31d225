import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { afterEach, expect, it } from 'vitest';
import { StreambackClient, StreambackContext } from '../../lib';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';
import { FULL_SIZE, quantile, startService } from './nest-app';

const STREAMS = FULL_SIZE ? 1_000 : 100;
/** Streams under way at once. */
const AT_ONCE = 10;
const TOLD_WITHIN_MS = 100;

/** By the id in the payload: when its handler was told, why, and that its `finally` ran. */
const told = new Map<number, { readonly at: number; readonly code: string }>();
const ended = new Map<number, number>();
const onEnded = new Map<number, () => void>();

@Controller()
class EndlessController {
  @MessagePattern('endless')
  async *endless(@Payload() id: number, @Ctx() context: StreambackContext): AsyncGenerator<{ id: number; n: number }> {
    context.signal.addEventListener('abort', () =>
      told.set(id, { at: performance.now(), code: (context.signal.reason as { code: string }).code }),
    );
    try {
      for (let n = 0; ; n++) {
        yield { id, n };
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    } finally {
      ended.set(id, performance.now());
      onEnded.get(id)?.();
    }
  }
}

describeWithBrokers('R16 unsubscribing in the middle of a stream', ({ streams }) => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  it(`${STREAMS} times: the handler is told within ${TOLD_WITHIN_MS} ms (p99), and its finally runs`, { timeout: 180_000 }, async () => {
    const group = freshName('unsubscribe');
    const service = await startService({ group, topicsPrefix: group, streams }, EndlessController);
    const client = new StreambackClient({ group: 'reader', topicsPrefix: group, streams });
    closers.push(
      () => service.close(),
      () => client.close(),
    );
    const left = new Map<number, number>();
    let wrong = 0;
    let late = 0;
    const failures: unknown[] = [];
    /** Resolves when the handler has ended. */
    const read = (id: number): Promise<void> =>
      new Promise((resolve) => {
        onEnded.set(id, resolve);
        const upTo = 1 + (Math.abs(id) % 10);
        let next = 0;
        const subscription = client.send<{ id: number; n: number }>('endless', id).subscribe({
          next: (answer) => {
            if (left.has(id)) late += 1;
            if (answer.id !== id || answer.n !== next++) wrong += 1;
            if (next !== upTo) return;
            // Not within the answer's own turn, where all that is sent shares it.
            setImmediate(() => {
              left.set(id, performance.now());
              subscription.unsubscribe();
            });
          },
          error: (error: unknown) => (failures.push(error), resolve()),
        });
      });
    // A cold process is slow at first, and is not what is measured.
    await Promise.all(Array.from({ length: AT_ONCE }, (_each, lane) => read(-1 - lane)));
    for (const map of [told, ended, left]) map.clear();
    // What a machine that is busy with something else adds, on each of the two ways through this process.
    const loop = monitorEventLoopDelay({ resolution: 1 });
    loop.enable();
    const reading = Array.from({ length: AT_ONCE }, async (_each, lane) => {
      for (let id = lane; id < STREAMS; id += AT_ONCE) await read(id);
    });
    await Promise.all(reading);
    loop.disable();
    const toldAfter = [...told].map(([id, { at }]) => at - left.get(id)!);
    const endedAfter = [...ended].map(([id, at]) => at - left.get(id)!);
    const codes = [...new Set([...told.values()].map(({ code }) => code))];
    const shown = (values: readonly number[]) =>
      `p50 ${quantile(values, 0.5).toFixed(1)}, p99 ${quantile(values, 0.99).toFixed(1)}, most ${Math.max(...values).toFixed(1)} ms`;
    console.log(
      `R16: ${STREAMS} unsubscribed, ${told.size} handlers told (${codes.join()}) after ${shown(toldAfter)}; ` +
        `${ended.size} ran their finally after ${shown(endedAfter)}; ${late} answers afterwards, ${wrong} wrong, ${failures.length} failed; ` +
        `event loop late by p50 ${(loop.percentile(50) / 1e6).toFixed(1)}, p99 ${(loop.percentile(99) / 1e6).toFixed(1)} ms`,
    );
    expect([told.size, ended.size, late, wrong, failures]).toEqual([STREAMS, STREAMS, 0, 0, []]);
    expect(codes).toEqual(['CANCELLED']);
    expect(quantile(toldAfter, 0.99)).toBeLessThanOrEqual(TOLD_WITHIN_MS);
  });
});
