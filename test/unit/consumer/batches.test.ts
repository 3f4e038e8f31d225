import { of } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StreambackConnectionError } from '../../../lib/common/errors';
import type { BatchRun } from '../../../lib/consumer/batch-run';
import { Consumer, type ConsumerOptions } from '../../../lib/consumer/consumer';
import {
  DEFAULT_LISTENER_OPTIONS,
  type BatchListener,
  type Listener,
  type StreambackListenerOptions,
} from '../../../lib/consumer/listener';
import type { Run } from '../../../lib/consumer/run';
import { currentCall } from '../../../lib/context/call-context';
import { FeedbackWriter } from '../../../lib/inbox/feedback-writer';
import { Inbox } from '../../../lib/inbox/inbox';
import { Producer } from '../../../lib/producer/producer';
import { encodeEnvelope, type EnvelopeHead } from '../../../lib/protocol/envelope';
import { feedbackTopicOf, newId } from '../../../lib/protocol/keys';
import type { MainStreamDelivery, MainStreamSubscribeOptions } from '../../../lib/streams/main-stream';
import { MemoryFeedbackStream } from '../../../lib/streams/memory/memory.feedback-stream';
import { MemoryMainStream } from '../../../lib/streams/memory/memory.main-stream';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';
import { RecordingLogger } from '../../support/recording-logger';

/** Notes what is settled and released, and can take what it delivered away, as a rebalance does. */
class NotingMainStream extends MemoryMainStream {
  readonly settled: string[] = [];
  readonly released: string[] = [];
  private revocation = new AbortController();

  override subscribe(options: MainStreamSubscribeOptions) {
    this.leave = options.onLeaving;
    const onDelivery = (delivery: MainStreamDelivery): void => {
      const { offset } = delivery.message;
      options.onDelivery({
        message: delivery.message,
        revoked: AbortSignal.any([delivery.revoked, this.revocation.signal]),
        settle: () => (this.settled.push(offset), delivery.settle()),
        release: () => (this.released.push(offset), delivery.release()),
      });
    };
    return super.subscribe({ ...options, onDelivery });
  }

  /** Partitions are asked back. */
  leave?: MainStreamSubscribeOptions['onLeaving'];

  revoke(): void {
    this.revocation.abort();
    this.revocation = new AbortController();
  }
}

type Hooks = NonNullable<Listener['hooks']>;
type Options = { hooks?: Hooks } & Partial<Omit<ConsumerOptions, 'hooks'> & StreambackListenerOptions & Omit<BatchListener, 'handle'>>;

describe('a batch listener', () => {
  let main: NotingMainStream;
  let feedback: MemoryFeedbackStream;
  let logger: RecordingLogger;
  let inbox: Inbox;
  let writer: FeedbackWriter;
  let producer: Producer;
  let consumer: Consumer;
  let clientInbox: Inbox;
  let calls: unknown[][];

  beforeEach(() => {
    const name = freshName('batches');
    main = new NotingMainStream(name);
    feedback = new MemoryFeedbackStream(name);
    logger = new RecordingLogger();
    calls = [];
    const inboxes = { leaseMs: 5_000, ttlMs: 300_000, logger };
    [inbox, clientInbox] = [new Inbox(feedback, inboxes), new Inbox(feedback, inboxes)];
    writer = new FeedbackWriter(feedback, 300_000, logger);
    producer = new Producer(
      main,
      { stream: feedback, inbox: clientInbox, writer },
      { group: 'web', topicsPrefix: '', maxMessageBytes: 1e6, defaults: {}, leaseMs: 5_000, cancelTtlMs: 60_000 },
    );
  });
  afterEach(async () => {
    await consumer.close();
    producer.close();
    await Promise.all([inbox.close(), clientInbox.close()]);
    await writer.close();
    await Promise.all([main.close(), feedback.close()]);
  });

  const valuesOf = (batch: BatchRun): unknown[] => batch.runs.map(({ envelope }) => envelope.value);

  async function serve(handle: (values: unknown[], batch: BatchRun) => unknown, options: Options = {}): Promise<void> {
    const { size = 3, maxWaitMs = 30, concurrency, order, retry, cancellable, deadLetterTopic, hooks, ...others } = options;
    const given = { concurrency, order, retry, cancellable, deadLetterTopic };
    const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const listener: Listener = {
      pattern: 'work',
      topic: 'work',
      options: { ...DEFAULT_LISTENER_OPTIONS, ...said },
      hooks,
      handle: () => expect.unreachable('a batch listener takes batches'),
      batch: {
        size,
        maxWaitMs,
        handle: (batch) => {
          calls.push(valuesOf(batch));
          return handle(valuesOf(batch), batch);
        },
      },
    };
    consumer = new Consumer(main, { stream: feedback, inbox, writer }, [listener], {
      group: 'reports',
      maxInFlight: 1_000,
      maxAnswerBytes: 1e6,
      drainTimeoutMs: 8_000,
      leaseMs: 5_000,
      logger,
      isAnswer: (error) => error instanceof RangeError,
      errorValue: (error) => ({ status: 'error', message: String(error) }),
      ...others,
    });
    await consumer.start();
  }
  const ask = async (data: unknown, key?: string): Promise<unknown[]> => {
    const seen: unknown[] = [];
    for await (const answer of producer.open('work', data, key === undefined ? {} : { key })) seen.push(answer);
    return seen;
  };
  const publish = (value: unknown, head: Partial<EnvelopeHead> = {}, key: string | null = null) =>
    main.publish({
      topic: 'work',
      key,
      value: encodeEnvelope(JSON.stringify(value), { feedbackTopic: null, sourceGroup: 'web', ...head }),
      headers: [],
    });
  const lag = async () => (await main.lag('reports', ['work'])).get('work');
  const allSettled = () => eventually('all is settled', async () => (await lag()) === 0);
  const letters = async (): Promise<unknown[]> => {
    const scan = await main.scan({ topic: 'work.dlt', group: freshName('reader'), fromBeginning: true });
    const values: unknown[] = [];
    for await (const { value, headers } of scan) {
      const attempts = headers.find(([name]) => name === 'streamback-attempts')?.[1].toString();
      values.push([(JSON.parse(value!.toString()) as { value: unknown }).value, Number(attempts)]);
    }
    return values;
  };
  /** Whether any of what is given away is here. */
  const bad =
    (...values: unknown[]) =>
    (given: unknown[]): void => {
      const found = given.filter((value) => values.includes(value));
      if (found.length > 0) throw new Error(`${found.join(' and ')} cannot be`);
    };

  it('takes full batches, and what is left when it has waited', async () => {
    await serve(() => {});
    for (let n = 1; n <= 7; n++) await publish(n);
    await allSettled();
    expect(calls).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  });

  it('M2: settles nothing before the handler has ended, and then all', async () => {
    let end: () => void = () => {};
    await serve(() => new Promise<void>((resolve) => (end = resolve)));
    for (let n = 1; n <= 3; n++) await publish(n);
    await eventually('taken', () => calls.length === 1);
    expect(main.settled).toEqual([]);
    end();
    await allSettled();
    expect(main.settled).toEqual(['0', '1', '2']);
  });

  it('concurrency counts batches', async () => {
    const ends: (() => void)[] = [];
    await serve(() => new Promise<void>((resolve) => ends.push(resolve)), { concurrency: 2 });
    for (let n = 1; n <= 9; n++) await publish(n);
    await eventually('two run', () => calls.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(calls).toHaveLength(2);
    ends[0]!();
    await eventually('a third one runs', () => calls.length === 3);
    for (const end of ends) end();
    await allSettled();
  });

  it('M4: a key is handled in order, never in two batches at once', async () => {
    const running = new Set<unknown>();
    await serve(
      async (values) => {
        const keys = new Set((values as string[]).map((value) => value[0]));
        for (const key of keys) {
          expect(running.has(key)).toBe(false);
          running.add(key);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
        for (const key of keys) running.delete(key);
      },
      { size: 4 },
    );
    const sent = Array.from({ length: 60 }, (_, n) => `${'abc'[n % 3]}${n}`);
    for (const value of sent) await publish(value, {}, value[0]);
    await allSettled();
    expect(await letters()).toEqual([]);
    for (const key of 'abc') {
      expect(calls.flat().filter((value) => (value as string)[0] === key)).toEqual(sent.filter((value) => value[0] === key));
    }
  });

  it('is never kept waiting by maxInFlight', async () => {
    await serve(() => {}, { size: 5, maxWaitMs: 600_000, maxInFlight: 2 });
    for (let n = 1; n <= 4; n++) await publish(n);
    await allSettled();
    expect(calls).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('a batch that fails is tried again as a whole', async () => {
    await serve(
      () => {
        if (calls.length < 3) throw new Error('not yet');
      },
      { retry: { times: 2, delayMs: 1 } },
    );
    for (let n = 1; n <= 3; n++) await publish(n);
    await allSettled();
    expect(calls).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(await letters()).toEqual([]);
  });

  it('is taken apart when its tries are used up: what makes it fail is put aside, the rest is handled', async () => {
    await serve(bad(3), { size: 8, retry: { times: 1, delayMs: 1 } });
    for (let n = 1; n <= 8; n++) await publish(n);
    await allSettled();
    expect(calls).toEqual([[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [1, 2], [3, 4], [3], [4], [5, 6, 7, 8]]);
    expect(await letters()).toEqual([[3, 5]]);
  });

  it('puts aside each of several, and each of a batch where all are bad', async () => {
    await serve(bad(1, 4, 5, 6, 7, 8), { size: 4 });
    for (let n = 1; n <= 8; n++) await publish(n);
    await allSettled();
    expect((await letters()).map((each) => (each as unknown[])[0]).toSorted()).toEqual([1, 4, 5, 6, 7, 8]);
    expect(calls.filter((call) => call.length === 1).flat()).not.toContain(9);
  });

  it('a batch of one that fails is put aside, without being run once more', async () => {
    await serve(bad(1), { size: 1 });
    await publish(1);
    await allSettled();
    expect([calls, await letters()]).toEqual([[[1]], [[1, 1]]]);
  });

  it('requests are answered with their own elements, and one end each', async () => {
    await serve((values) => (values as number[]).map((value) => (value === 2 ? undefined : value * 10)));
    expect(await Promise.all([ask(1), ask(2), ask(3)])).toEqual([[10], [], [30]]);
  });

  it('an Observable answers with what it gives last', async () => {
    await serve((values) => of(['no', 'no'], values));
    expect(await Promise.all([ask(1), ask(2)])).toEqual([[1], [2]]);
  });

  it.each([undefined, 'one', { a: 1 }, [1, 2, 3]])('returning %j answers nothing: the requests end', async (given) => {
    await serve(() => given, { size: 2 });
    expect(await Promise.all([ask(1), ask(2)])).toEqual([[], []]);
  });

  it('each run can respond for itself', async () => {
    await serve(async (_values, batch) => {
      await batch.runs[0]!.respond('for the first');
      return ['and', 'alone'];
    });
    expect(await Promise.all([ask(1), ask(2)])).toEqual([['for the first', 'and'], ['alone']]);
  });

  it('of requests that fail, only what makes the batch fail gets the error', async () => {
    await serve(
      (values, batch) => {
        try {
          bad(2)(values);
        } catch (error) {
          batch.noteFailure(error);
          throw error;
        }
        return values;
      },
      { size: 3, retry: { times: 1, delayMs: 1 } },
    );
    const outcomes = await Promise.allSettled([ask(1), ask(2), ask(3)]);
    expect(outcomes).toEqual([
      { status: 'fulfilled', value: [1] },
      { status: 'rejected', reason: { status: 'error', message: 'Error: 2 cannot be' } },
      { status: 'fulfilled', value: [3] },
    ]);
    expect(calls.slice(0, 2)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  it('what is an answer is not tried again for requests', async () => {
    await serve(
      (_values, batch) => {
        const error = new RangeError('no');
        batch.noteFailure(error);
        throw error;
      },
      { size: 1, retry: { times: 5, delayMs: 1 } },
    );
    await expect(ask(1)).rejects.toMatchObject({ message: 'RangeError: no' });
    expect(calls).toHaveLength(1);
  });

  it('M2: a retry.on that fails itself has no further try: what stands alone is put aside', async () => {
    const on = (): boolean => {
      throw new TypeError('no response');
    };
    await serve(bad(2), { size: 3, retry: { times: 3, on } });
    for (const value of [1, 2, 3]) await publish(value);
    await allSettled();
    expect(calls).toEqual([[1, 2, 3], [1, 2], [1], [2], [3]]);
    expect(await letters()).toEqual([[2, 3]]);
    expect(logger.having('retry.on').length).toBeGreaterThan(0);
  });

  it('a request of Python’s that has been sent answers is not run again: its frames name no attempt', async () => {
    await serve(
      async (values, batch) => {
        for (const run of batch.runs) await run.respond('begun');
        bad('python')(values);
        return values;
      },
      { size: 2, retry: { times: 1, delayMs: 1 } },
    );
    const feedbackTopic = feedbackTopicOf(newId());
    await publish('python', { feedbackTopic });
    await publish('event');
    await allSettled();
    expect(calls).toEqual([['python', 'event'], ['event']]);
    const frames: unknown[] = [];
    const reader = await feedback.openListReader({
      feedbackTopic,
      onFrames: (read) => frames.push(...read.map((frame) => (JSON.parse(frame.toString()) as { event: string }).event)),
      onUncertain: () => {},
    });
    await eventually('read', () => frames.length === 2);
    await reader.close();
    expect(frames).toEqual(['response', 'response_end_with_error']);
  });

  it('an answer that cannot be written is its own request’s error', async () => {
    await serve((values) => values.map((value) => (value === 1 ? 1n : value)), { size: 2 });
    const [first, second] = await Promise.allSettled([ask(1), ask(2)]);
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'NOT_SERIALIZABLE' } });
    expect(second).toEqual({ status: 'fulfilled', value: [2] });
  });

  it('a message that was sent twice is handled once, also within one batch', async () => {
    await serve(() => {});
    const id = newId();
    await publish(1, { id });
    await publish(1, { id });
    await publish(2);
    await allSettled();
    expect(calls.flat().toSorted()).toEqual([1, 2]);
  });

  it('F6: a request that was cancelled while it waited is not handled; one that is cancelled later stops nobody else', async () => {
    let end: () => void = () => {};
    const aborted: boolean[] = [];
    await serve(
      async (values, batch) => {
        await new Promise<void>((resolve) => (end = resolve));
        aborted.push(batch.signal.aborted, batch.runs[0]!.signal.aborted);
        return values;
      },
      { size: 2, maxWaitMs: 600_000 },
    );
    const lane = producer.open('work', 'cancelled', {});
    const other = ask('other');
    await eventually('begun', () => calls.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 80));
    lane.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    end();
    expect(await other).toEqual(['other']);
    expect(aborted).toEqual([false, true]);
    await allSettled();
  });

  it('F7: a request whose deadline has passed is not handled', async () => {
    await serve((values) => values, { size: 2, maxWaitMs: 600_000 });
    await publish('late', { id: newId(), feedbackTopic: feedbackTopicOf(newId()), deadline: Date.now() - 5_000 });
    expect(await ask('early')).toEqual(['early']);
    expect(calls).toEqual([['early']]);
    await allSettled();
  });

  it('a nested call inherits the latest deadline', async () => {
    const deadlines: (number | undefined)[] = [];
    await serve(() => void deadlines.push(currentCall()?.deadline), { size: 2 });
    const at = Date.now() + 60_000;
    await publish(1, { id: newId(), feedbackTopic: feedbackTopicOf(newId()), deadline: at });
    await publish(2, { id: newId(), feedbackTopic: feedbackTopicOf(newId()), deadline: at + 5 });
    await publish(3);
    await publish(4);
    await allSettled();
    expect(deadlines).toEqual([at + 5, Infinity]);
  });

  it('M3: what is revoked comes again; its handler is told, and not waited for', async () => {
    const reasons: unknown[] = [];
    let end: () => void = () => {};
    await serve((_values, batch) => {
      if (calls.length > 1) return undefined;
      batch.signal.addEventListener('abort', () => reasons.push((batch.signal.reason as { code: string }).code));
      return new Promise<void>((resolve) => (end = resolve));
    });
    for (let n = 1; n <= 3; n++) await publish(n, {}, 'a');
    await eventually('begun', () => calls.length === 1);
    await publish(4, {}, 'a');
    await new Promise((resolve) => setImmediate(resolve));
    main.revoke();
    await eventually('given back', () => main.released.length === 3);
    expect(reasons).toEqual(['REVOKED']);
    await new Promise((resolve) => setTimeout(resolve, 60));
    // Its keys are taken as long as it works.
    expect(calls).toHaveLength(1);
    end();
    await allSettled();
    expect(calls.slice(1).flat()).toEqual([1, 2, 3, 4]);
  });

  it('what is gathered of a partition that moves is given back at once', async () => {
    await serve(() => {}, { size: 10, maxWaitMs: 600_000 });
    for (let n = 1; n <= 3; n++) await publish(n);
    await eventually('taken', () => consumer.facts().inFlight === 3);
    main.leave?.([{ topic: 'work', partition: 0 }]);
    expect(main.released).toEqual(['0', '1', '2']);
    // The memory stream gives them to the one that is there.
    await eventually('taken again', () => consumer.facts().inFlight === 3);
    await consumer.close();
    expect(calls).toEqual([[1, 2, 3]]);
  });

  it('M8: closing handles what is gathered', async () => {
    await serve(() => {}, { size: 10, maxWaitMs: 600_000 });
    for (let n = 1; n <= 3; n++) await publish(n);
    await eventually('taken', () => consumer.facts().inFlight === 3);
    await consumer.close();
    expect([calls, main.settled]).toEqual([[[1, 2, 3]], ['0', '1', '2']]);
  });

  it('M8: what takes longer than closing may take comes again', async () => {
    await serve(() => new Promise(() => {}), { size: 2, maxWaitMs: 600_000, drainTimeoutMs: 50, concurrency: 1 });
    for (let n = 1; n <= 5; n++) await publish(n);
    await eventually('taken', () => consumer.facts().inFlight === 5);
    await consumer.close();
    expect(calls).toEqual([[1, 2]]);
    expect([main.settled, await lag()]).toEqual([[], 5]);
  });

  it('M8: closing ends the wait for a further try, and what waits comes again', async () => {
    await serve(bad(1), { size: 1, retry: { times: 1, delayMs: 600_000 } });
    await publish(1);
    await eventually('failed', () => calls.length === 1);
    await new Promise((resolve) => setImmediate(resolve));
    await consumer.close();
    expect([main.released, await letters()]).toEqual([['0'], []]);
  });

  it('hooks are told of each message: before the handler, of each try, of its failure, and of its end, which is awaited', async () => {
    const told: unknown[] = [];
    const hear =
      (what: string) =>
      (run: Run, about?: unknown): void => {
        const { status, answers, attempt } = (about ?? {}) as { status?: string; answers?: number; attempt?: number };
        told.push([what, run.envelope.value, status ?? attempt, answers].filter((each) => each !== undefined));
      };
    const hooks: Hooks = {
      begin: async (run) => hear('begin')(run),
      end: async (run, result) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        expect(main.settled).toEqual([]);
        hear('end')(run, result);
      },
      error: hear('error'),
      retry: hear('retry'),
    };
    await serve(
      (values, batch) => {
        told.push(['handle', ...values]);
        if (values.includes(2)) {
          batch.noteFailure(new TypeError('2'));
          throw new TypeError('2');
        }
        return values;
      },
      { size: 2, hooks, retry: { times: 1, delayMs: 1 } },
    );
    const outcomes = await Promise.allSettled([ask(1), ask(2)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await allSettled();
    const tries = [['handle', 1, 2], ['retry', 1, 1], ['retry', 2, 1], ['handle', 1, 2], ['handle', 1], ['handle', 2]]; // prettier-ignore
    expect(told).toEqual([['begin', 1], ['begin', 2], ...tries, ['error', 2], ['end', 1, 'done', 1], ['end', 2, 'failed', 0]]);
  });

  it('M4: what was handled and cannot be answered comes again, before what waits behind it', async () => {
    const write = feedback.write.bind(feedback);
    let refusals = 1;
    feedback.write = async (...args) => {
      if (refusals-- > 0) throw new StreambackConnectionError('FEEDBACK_UNWRITABLE', 'full');
      return write(...args);
    };
    // A writer that is closed tries nothing again.
    void writer.close();
    await clientInbox.open();
    await serve(() => {}, { size: 1 });
    await publish(1, { feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: clientInbox.key }, 'k');
    for (const value of [2, 3]) await publish(value, {}, 'k');
    await publish(9, {}, 'other');
    await allSettled();
    expect(calls.flat().filter((value) => value !== 9)).toEqual([1, 1, 2, 3]);
    expect(main.released.toSorted()).toEqual(['0', '1', '2']);
  });
});
