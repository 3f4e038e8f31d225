import { describe, expect, it } from 'vitest';
import { Lane } from '../../../lib/producer/lane';
import type { AnswerObserver, PendingRequest } from '../../../lib/producer/pending-request';
import { ManualClock } from '../../support/manual-clock';

function setup(onRestart?: (attempt: number) => void) {
  const clock = new ManualClock();
  let observer!: AnswerObserver;
  let closed = 0;
  let read = 0;
  const lane = new Lane<number>(
    (given) => {
      observer = given;
      return {
        id: 'r',
        attempt: 2,
        group: 'g',
        listen: () => {},
        close: () => (closed += 1),
        onRead: () => (read += 1),
      } as unknown as PendingRequest;
    },
    clock,
    onRestart,
  );
  return { clock, lane, observer, closed: () => closed, read: () => read };
}

describe('Lane', () => {
  it('gives answers in order, whether they come before or after they are asked for', async () => {
    const { lane, observer } = setup();
    observer.next(1);
    observer.next(2);
    expect([await lane.read(), await lane.read()]).toEqual([1, 2]);
    const [three, four] = [lane.read(), lane.read()];
    observer.next(3);
    observer.next(4);
    expect([await three, await four]).toEqual([3, 4]);
  });

  it('F5: an answer counts as read when it is taken, not when it comes', async () => {
    const { lane, observer, read } = setup();
    observer.next(1);
    observer.next(2);
    expect(read()).toBe(0);
    await lane.read();
    expect(read()).toBe(1);
    await lane.read();
    const waiting = lane.read();
    observer.next(3);
    await waiting;
    expect(read()).toBe(3);
  });

  it('makes an answer an instance of the class that a read names, or the request', async () => {
    class One {}
    class Other {}
    const { lane, observer } = setup();
    for (let n = 0; n < 3; n++) observer.next({ n } as never);
    expect(await lane.read({ as: One })).toBeInstanceOf(One);
    lane.type = Other as never;
    expect(await lane.read()).toBeInstanceOf(Other);
    expect(await lane.read({ as: One, timeoutMs: 5 })).toEqual(Object.assign(new One(), { n: 2 }));
    observer.complete();
    expect(await lane.read({ as: One })).toBeUndefined();
    await expect(lane.read({ as: 'One' as never })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(lane.read({ as: (() => 1) as never })).rejects.toMatchObject({ message: "'read.as' must be a class, not a function" });
  });

  it('gives undefined at the end, to all who wait and ever after, but first what is left', async () => {
    const { lane, observer } = setup();
    const waiting = [lane.read(), lane.read()];
    observer.next(1);
    observer.complete();
    expect(await Promise.all(waiting)).toEqual([1, undefined]);
    expect([await lane.read(), await lane.read()]).toEqual([undefined, undefined]);
    const other = setup();
    other.observer.next(1);
    other.observer.complete();
    expect([await other.lane.read(), await other.lane.read()]).toEqual([1, undefined]);
  });

  it('throws what ended it, to all who wait and ever after, but first gives what is left', async () => {
    const { lane, observer } = setup();
    const error = { status: 'error', message: 'x' };
    const waiting = [lane.read(), lane.read()];
    observer.error(error);
    expect(await Promise.allSettled(waiting)).toEqual([
      { status: 'rejected', reason: error },
      { status: 'rejected', reason: error },
    ]);
    await expect(lane.read()).rejects.toBe(error);
    const other = setup();
    other.observer.next(1);
    other.observer.error(error);
    expect(await other.lane.read()).toBe(1);
    await expect(other.lane.read()).rejects.toBe(error);
  });

  it('a failure that nobody reads is no unhandled rejection', async () => {
    const { observer } = setup();
    observer.error(new Error('unread'));
    await new Promise(setImmediate);
  });

  it('READ_TIMEOUT leaves it open, and the next answer to the next read', async () => {
    const { clock, lane, observer } = setup();
    const late = lane.read({ timeoutMs: 100 });
    clock.advance(99);
    const patient = lane.read();
    clock.advance(1);
    await expect(late).rejects.toMatchObject({ code: 'READ_TIMEOUT', waitingFor: 'next-answer', retryable: true });
    observer.next(1);
    expect(await patient).toBe(1);
    observer.next(2);
    expect(await lane.read({ timeoutMs: 100 })).toBe(2);
    expect(clock.pending).toBe(0);
  });

  it('leaves no timer behind, however the read ends', async () => {
    const { clock, lane, observer } = setup();
    const [answered, ended] = [lane.read({ timeoutMs: 100 }), lane.read({ timeoutMs: 100 })];
    expect(clock.pending).toBe(2);
    observer.next(1);
    await answered;
    expect(clock.pending).toBe(1);
    observer.complete();
    await ended;
    expect(clock.pending).toBe(0);
    const failing = setup();
    const failed = failing.lane.read({ timeoutMs: 100 });
    failing.observer.error('x');
    await expect(failed).rejects.toBe('x');
    expect(failing.clock.pending).toBe(0);
  });

  it('close closes the request, wakes who waits, and drops what was not read', async () => {
    const { lane, observer, closed } = setup();
    const waiting = lane.read();
    lane.close();
    expect(await waiting).toBeUndefined();
    expect(closed()).toBe(1);
    observer.next(1);
    const other = setup();
    other.observer.next(1);
    other.lane.close();
    expect(await other.lane.read()).toBeUndefined();
  });

  it('close after a failure: reads give undefined', async () => {
    const { lane, observer } = setup();
    observer.error(new Error('x'));
    lane.close();
    expect(await lane.read()).toBeUndefined();
  });

  it('for await gives every answer, falsy ones too; leaving it closes the lane', async () => {
    const { lane, observer, closed } = setup();
    for (const value of [0, null, false, 7]) observer.next(value);
    const seen: unknown[] = [];
    for await (const answer of lane) {
      seen.push(answer);
      if (answer === 7) break;
    }
    expect(seen).toEqual([0, null, false, 7]);
    expect(closed()).toBe(1);
  });

  it('for await closes the lane where an answer cannot be made an instance of its class', async () => {
    const { lane, observer, closed } = setup();
    lane.type = class {
      constructor() {
        throw new TypeError('no');
      }
    } as never;
    observer.next({ n: 1 } as never);
    const reading = (async () => {
      for await (const answer of lane) expect.unreachable(String(answer));
    })();
    await expect(reading).rejects.toThrow('no');
    expect(closed()).toBe(1);
  });

  it('for await ends with the lane, and throws what it failed with', async () => {
    const { lane, observer, closed } = setup();
    observer.next(1);
    observer.complete();
    const seen: unknown[] = [];
    for await (const answer of lane) seen.push(answer);
    expect([seen, closed()]).toEqual([[1], 0]);
    const failing = setup();
    failing.observer.error('broken');
    await expect(failing.lane[Symbol.asyncIterator]().next()).rejects.toBe('broken');
  });

  it('tells of its request', () => {
    const { lane } = setup();
    expect([lane.id, lane.attempt, lane.group]).toEqual(['r', 2, 'g']);
  });

  it('F4: is told of a restart where the reader comes to it: what was not read of the old attempt is dropped', async () => {
    const told: unknown[] = [];
    const { lane, observer } = setup((attempt) => told.push([attempt, lane.attempt]));
    observer.next(1);
    observer.next(2);
    expect(await lane.read()).toBe(1);
    observer.restart!(2, 1);
    observer.next(10);
    expect([told, lane.attempt]).toEqual([[], 1]);
    expect(await lane.read()).toBe(10);
    expect([told, lane.attempt]).toEqual([[[2, 2]], 2]);
    const waiting = lane.read();
    observer.restart!(3, 2);
    expect(told).toHaveLength(2);
    observer.complete();
    expect(await waiting).toBeUndefined();
  });

  it('F4: a reader that took an answer has it before it is told of a restart, also where both came at once', async () => {
    const seen: unknown[] = [];
    const { lane, observer } = setup(() => seen.push('restart'));
    const reading = (async () => {
      for await (const answer of lane) seen.push(answer);
    })();
    observer.next(1);
    observer.restart!(2, 1);
    observer.next(10);
    observer.complete();
    await reading;
    expect(seen).toEqual([1, 'restart', 10]);
  });

  it('asks to see restarts only where somebody is told', () => {
    expect([setup().observer.restart, typeof setup(() => {}).observer.restart]).toEqual([undefined, 'function']);
  });
});
