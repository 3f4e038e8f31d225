import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { FeedbackStream, InboxItem } from '../streams/feedback-stream';

/** What a contract suite needs of a test runner: vitest, jest and node:test have it. */
export interface ContractRunner {
  describe(title: string, body: () => void): unknown;
  it(title: string, body: () => Promise<void>): unknown;
}

export interface CreatedFeedbackStream {
  readonly stream: FeedbackStream;
  close?(): Promise<void>;
}

/** How long a contract test waits for what must come, in ms. */
const PATIENCE_MS = 10_000;

export const frame = (text: string): InboxItem => ({ field: 'frame', value: Buffer.from(text) });
export const control = (text: string): InboxItem => ({ field: 'control', value: Buffer.from(text) });

/** Waits for a state that nothing announces. */
export async function until(what: string, probe: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await probe())) {
    assert.ok(performance.now() < end, `not so within ${PATIENCE_MS} ms: ${what}`);
    await pause(10);
  }
}

/** Keeps what came, and says when enough has. */
export class Collected<T> {
  readonly all: T[] = [];
  private waiting: { readonly count: number; readonly resolve: () => void } | undefined;

  readonly take = (some: readonly T[]): void => {
    assert.ok(some.length > 0, 'nothing is not handed over');
    for (const one of some) this.all.push(one);
    if (this.waiting && this.all.length >= this.waiting.count) this.waiting.resolve();
  };

  async untilCount(count: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => {
          reject(new assert.AssertionError({ message: `${this.all.length} of ${count} came within ${PATIENCE_MS} ms` }));
        }, PATIENCE_MS);
        this.waiting = { count, resolve };
        if (this.all.length >= count) resolve();
      });
    } finally {
      clearTimeout(timer);
      this.waiting = undefined;
    }
    assert.equal(this.all.length, count, 'no more than was written');
  }
}

export function collectItems() {
  const collected = new Collected<InboxItem>();
  return {
    items: collected.all as readonly InboxItem[],
    onItems: collected.take,
    untilCount: (count: number) => collected.untilCount(count),
    texts: (): string[] => collected.all.map(({ value }) => value.toString()),
  };
}
