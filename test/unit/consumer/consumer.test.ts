import { AsyncLocalStorage } from 'node:async_hooks';
import { from, Observable } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StreambackConnectionError, StreambackPublishError, StreambackTimeoutError } from '../../../lib/common/errors';
import { Consumer, type ConsumerOptions } from '../../../lib/consumer/consumer';
import { DEFAULT_LISTENER_OPTIONS, type Listener, type StreambackListenerOptions } from '../../../lib/consumer/listener';
import type { Run } from '../../../lib/consumer/run';
import { currentCall } from '../../../lib/context/call-context';
import { FeedbackWriter } from '../../../lib/inbox/feedback-writer';
import { Inbox } from '../../../lib/inbox/inbox';
import { Producer } from '../../../lib/producer/producer';
import { encodeControl } from '../../../lib/protocol/control-message';
import { encodeEnvelope, type EnvelopeHead } from '../../../lib/protocol/envelope';
import { feedbackTopicOf, newInbox } from '../../../lib/protocol/keys';
import type { MainStreamDelivery, MainStreamSubscribeOptions, OutgoingMessage } from '../../../lib/streams/main-stream';
import { MemoryFeedbackStream } from '../../../lib/streams/memory/memory.feedback-stream';
import { MemoryMainStream } from '../../../lib/streams/memory/memory.main-stream';
import { collectGarbage } from '../../support/collect-garbage';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';
import { ManualClock } from '../../support/manual-clock';
import { RecordingLogger } from '../../support/recording-logger';
import { ticks } from '../../support/tick';

/** Fails publishes to dead letters as told, and can take what it delivered away from its subscriber, as a rebalance does. */
class ScriptedMainStream extends MemoryMainStream {
  readonly failures: Error[] = [];
  readonly settled: string[] = [];
  readonly released: string[] = [];
  private revocation = new AbortController();

  override async publish(message: OutgoingMessage): Promise<void> {
    const failure = message.topic.endsWith('.dlt') ? this.failures.shift() : undefined;
    if (failure) throw failure;
    await super.publish(message);
  }

  override subscribe(options: MainStreamSubscribeOptions) {
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

  revoke(): void {
    this.revocation.abort();
    this.revocation = new AbortController();
  }
}

describe('Consumer', () => {
  let main: ScriptedMainStream;
  let feedback: MemoryFeedbackStream;
  let logger: RecordingLogger;
  let inbox: Inbox;
  let writer: FeedbackWriter;
  let producer: Producer;
  let consumer: Consumer;
  let clientInbox: Inbox;

  beforeEach(() => {
    const name = freshName('consumer');
    main = new ScriptedMainStream(name);
    feedback = new MemoryFeedbackStream(name);
    logger = new RecordingLogger();
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

  async function serve(
    handle: (run: Run) => unknown,
    { told, ...options }: Partial<ConsumerOptions & StreambackListenerOptions> & { told?: Listener['hooks'] } = {},
  ): Promise<void> {
    const { concurrency, order, retry, cancellable } = { ...DEFAULT_LISTENER_OPTIONS, ...options };
    const listener: Listener = {
      pattern: 'work',
      topic: 'work',
      options: { ...DEFAULT_LISTENER_OPTIONS, concurrency, order, retry, cancellable },
      handle,
      hooks: told,
    };
    consumer = new Consumer(main, { stream: feedback, inbox, writer }, [listener], {
      group: 'reports',
      maxInFlight: 1_000,
      maxAnswerBytes: 1e6,
      drainTimeoutMs: 8_000,
      leaseMs: 5_000,
      logger,
      isAnswer: () => false,
      errorValue: (error) => ({ status: 'error', message: String(error) }),
      ...options,
    });
    await consumer.start();
  }
  const answers = async (data: unknown = null, key?: string): Promise<unknown[]> => {
    const seen: unknown[] = [];
    for await (const answer of producer.open('work', data, key === undefined ? {} : { key })) seen.push(answer);
    return seen;
  };
  const publish = (head: Partial<EnvelopeHead>, value = 'null', key: string | null = null) =>
    main.publish({ topic: 'work', key, value: encodeEnvelope(value, { feedbackTopic: null, sourceGroup: 'web', ...head }), headers: [] });
  const leftOver = () => {
    const { registry, bound } = consumer as unknown as {
      registry: { requests: Map<string, Run> };
      bound: Map<string, { duplicates: Record<'recent' | 'elder', Map<string, unknown>> }>;
    };
    const { recent, elder } = bound.get('work')!.duplicates;
    return registry.requests.size + [...recent.values(), ...elder.values()].filter((state) => state !== 'done').length;
  };
  const lag = async () => (await main.lag('reports', ['work'])).get('work');

  it.each<[string, (value: unknown, storage: AsyncLocalStorage<unknown>) => unknown]>([
    ['a promise', (value, storage) => storage.run(value, async () => (await ticks(1), value))],
    [
      'an Observable',
      (value, storage) =>
        new Observable((subscriber) => {
          storage.run(value, () => setImmediate(() => (subscriber.next(value), subscriber.complete())));
        }),
    ],
    ['a value, having entered one,', (value, storage) => (storage.enterWith(value), value)],
    [
      'an Observable that enters one',
      (value, storage) => new Observable((subscriber) => (storage.enterWith(value), subscriber.next(value), subscriber.complete())),
    ],
  ])('a handler that answers with %s is not the context of the next one', async (_name, handle) => {
    const storage = new AsyncLocalStorage<unknown>();
    const found: unknown[] = [];
    await serve(
      ({ envelope }) => {
        found.push(storage.getStore());
        return handle(envelope.value, storage);
      },
      { concurrency: 1 },
    );
    expect(await Promise.all([answers(1), answers(2), answers(3)])).toEqual([[1], [2], [3]]);
    expect(found).toEqual([undefined, undefined, undefined]);
  });

  it('a stream of one’s own that throws where a message is settled is logged, and holds up nothing', async () => {
    const subscribe = main.subscribe.bind(main);
    main.subscribe = (options) =>
      subscribe({
        ...options,
        onDelivery: (delivery) =>
          options.onDelivery({
            message: delivery.message,
            revoked: delivery.revoked,
            release: () => delivery.release(),
            settle: () => {
              throw new Error('settled badly');
            },
          }),
      });
    const handled: unknown[] = [];
    await serve((run) => void handled.push(run.envelope.value), { concurrency: 1, drainTimeoutMs: 0 });
    await publish({ id: 'a' }, '1');
    await publish({ id: 'b' }, '2');
    await eventually('both', () => handled.length === 2);
    await eventually('logged', () => logger.having('could not be settled').length === 2);
  });

  it('answers what the handler gives, and settles afterwards', async () => {
    await serve(async function* (run) {
      yield run.envelope.value;
      yield 2;
    });
    expect(await answers(1)).toEqual([1, 2]);
    await eventually('settled', async () => (await lag()) === 0);
    expect(leftOver()).toBe(0);
  });

  it.each(['begin', 'end'] as const)(
    'a hook at its %s that never ends holds its place no longer than the message is ours',
    async (name) => {
      const handled: unknown[] = [];
      let called = 0;
      const endless = (): Promise<void> | undefined => (called++ === 0 ? new Promise(() => undefined) : undefined);
      await serve((run) => void handled.push(run.envelope.value), { concurrency: 1, told: { [name]: endless } });
      await publish({}, '"first"');
      await eventually('it hangs', () => called === 1);
      await publish({}, '"second"');
      main.revoke();
      await eventually('the next one is handled', () => handled.includes('second'));
      expect(handled.filter((value) => value === 'first')).toHaveLength(1);
    },
  );

  it('an answer that cannot be written is told as the error, and the message as over', async () => {
    const told: unknown[] = [];
    const error = new StreambackConnectionError('NOT_AUTHORIZED', 'no right to answer');
    feedback.write = () => Promise.reject(error);
    await serve(() => 1, {
      told: { error: (_run, cause) => void told.push(cause), end: (_run, { status }) => (told.push(status), undefined) },
    });
    const subscription = producer.open('work', null, { timeoutMs: 2_000 });
    await eventually('it is over', () => told.length === 2);
    expect(told).toEqual([error, 'failed']);
    subscription.close();
  });

  it('answers with the error that was thrown, at once or later, and goes on', async () => {
    await serve((run) => {
      if (run.envelope.value === 'sync') throw new Error('sync');
      return Promise.reject(new Error('async'));
    });
    await expect(answers('sync')).rejects.toEqual({ status: 'error', message: 'Error: sync' });
    await expect(answers('x')).rejects.toEqual({ status: 'error', message: 'Error: async' });
    await eventually('settled', async () => (await lag()) === 0);
    expect(main.released).toEqual([]);
  });

  it('answers with a typed error where an answer cannot be sent', async () => {
    await serve(() => 1n);
    await expect(answers()).rejects.toMatchObject({ code: 'NOT_SERIALIZABLE' });
  });

  it("answers Python in Python's form, on its feedback list", async () => {
    await serve((run) => run.envelope.value);
    const frames: string[] = [];
    const feedbackTopic = feedbackTopicOf('354189d4-c22a-4c13-b8c9-3693fe03ec42');
    const reader = await feedback.openListReader({
      feedbackTopic,
      onFrames: (some) => void frames.push(...some.map(String)),
      onUncertain: () => {},
    });
    await publish({ feedbackTopic }, '{"n":1}');
    await eventually('answered', () => frames.length === 2);
    expect(frames).toEqual([
      '{"value":{"n":1},"event":"response","source_group":"reports"}',
      '{"event":"response_end","error":null,"source_group":"reports"}',
    ]);
    await reader.close();
  });

  it('hands over raw messages and null as data, and answers nothing', async () => {
    const seen: unknown[] = [];
    await serve((run) => void seen.push([run.envelope.value, run.responder]));
    await main.publish({ topic: 'work', key: null, value: Buffer.from('{"raw":1}'), headers: [] });
    await main.publish({ topic: 'work', key: null, value: null, headers: [] });
    await eventually('both', () => seen.length === 2);
    expect(seen).toEqual([
      [{ raw: 1 }, null],
      [null, null],
    ]);
    await eventually('settled', async () => (await lag()) === 0);
  });

  it('gives the handler its call: deadline and failure go along', async () => {
    await serve(async (run) => {
      await ticks(2);
      return currentCall() === run && run.deadline !== Infinity;
    });
    expect(await producer.open('work', 1, { timeoutMs: 5_000 }).read()).toBe(true);
  });

  it('M2: an event whose handler fails by another request is tried again and dead-lettered; so is a request by what may pass', async () => {
    const tries: string[] = [];
    await serve(
      (run) => {
        tries.push(run.id);
        const error = new StreambackTimeoutError('IDLE_TIMEOUT', 'nobody answers', { waitingFor: 'consumer' });
        run.noteFailure(error);
        throw error;
      },
      { retry: { times: 1, delayMs: 1 } },
    );
    const letters: string[] = [];
    const publishes = vi.spyOn(main, 'publish');
    await publish({ id: 'event' });
    await expect(answers()).rejects.toMatchObject({ message: expect.stringContaining('nobody answers') });
    await eventually('settled', () => main.settled.length === 2);
    for (const [{ topic }] of publishes.mock.calls) if (topic !== 'work') letters.push(topic);
    expect([tries.filter((id) => id === 'event').length, tries.length, letters]).toEqual([2, 4, ['work.dlt']]);
  });

  describe('M6: what cannot be decoded', () => {
    const garbage: OutgoingMessage = {
      topic: 'work',
      key: 'k',
      value: Buffer.from([0xff, 0x00, 0x7b]),
      headers: [['a', Buffer.from([0xfe])]],
    };
    const letters = async (count: number) => {
      const seen: MainStreamDelivery['message'][] = [];
      const reader = await main.subscribe({
        group: 'dlt',
        topics: ['work.dlt'],
        maxInFlight: 100,
        drainTimeoutMs: 0,
        onDelivery: (delivery) => (seen.push(delivery.message), delivery.settle()),
      });
      await eventually('dead letters', () => seen.length >= count);
      await reader.close();
      return seen;
    };

    it('goes to the dead letters as it was, with why; the rest goes on', async () => {
      await serve(() => 'fine');
      await main.publish(garbage);
      await publish({ feedbackTopic: null, inbox: 'not-ours' });
      expect(await answers()).toEqual(['fine']);
      const [first, second] = await letters(2);
      expect([first!.value, first!.key!.toString(), first!.headers[0]]).toEqual([garbage.value, 'k', garbage.headers[0]]);
      const why = (message: typeof first) => Object.fromEntries(message!.headers.map(([name, value]) => [name, value.toString()]));
      expect(why(first)).toMatchObject({
        'streamback-code': 'MALFORMED_MESSAGE',
        'streamback-topic': 'work',
        'streamback-partition': '0',
        'streamback-offset': '0',
      });
      expect(why(second)).toMatchObject({ 'streamback-code': 'FOREIGN_FEEDBACK_KEY', 'streamback-offset': '1' });
      await eventually('settled', async () => (await lag()) === 0);
    });

    it('is settled only once its dead letter is written, however often that fails', async () => {
      const clock = new ManualClock(Date.now());
      await serve(() => 'fine', { clock });
      main.failures.push(new StreambackConnectionError('UNREACHABLE', 'down'), new StreambackPublishError('PUBLISH_TIMEOUT', 'late'));
      await main.publish(garbage);
      await ticks();
      expect([await lag(), main.settled]).toEqual([1, []]);
      clock.advance(300);
      await ticks();
      expect(main.settled).toEqual([]);
      clock.advance(600);
      await ticks();
      expect(main.settled).toEqual(['0']);
      expect(await letters(1)).toHaveLength(1);
      expect(logger.having('cannot be written, trying again')).toHaveLength(1);
    });

    it('stops nothing even where its dead letter can never be written', async () => {
      await serve(() => 'fine');
      main.failures.push(new StreambackPublishError('TOO_LARGE', 'too large'));
      await main.publish(garbage);
      await eventually('settled', () => main.settled.length === 1);
      expect(logger.having('passed over')).toHaveLength(1);
    });

    it('is in flight until then, and counts as progress', async () => {
      await serve(() => 'fine');
      const { progress } = consumer.facts();
      expect(consumer.facts()).toMatchObject({ joined: true, closing: false, inFlight: 0 });
      await main.publish(garbage);
      await eventually('it is settled', () => main.settled.length === 1);
      await ticks();
      expect(consumer.facts()).toMatchObject({ inFlight: 0, progress: progress + 2 });
      await consumer.close();
      expect(consumer.facts().closing).toBe(true);
    });

    it('is given back when the consumer closes meanwhile', async () => {
      const clock = new ManualClock(Date.now());
      await serve(() => 'fine', { clock, drainTimeoutMs: 0 });
      main.failures.push(...Array.from({ length: 5 }, () => new StreambackConnectionError('UNREACHABLE', 'down')));
      await main.publish(garbage);
      await ticks();
      await consumer.close();
      for (let round = 0; round < 3; round++) {
        clock.advance(10_000);
        await ticks();
      }
      expect([main.settled, await lag()]).toEqual([[], 1]);
      // Tried once more when it woke up, and then not again.
      expect(main.failures).toHaveLength(3);
    });
  });

  describe('F7: a request that nobody waits for', () => {
    it('is not started when its deadline has passed, by more than clocks may differ', async () => {
      let runs = 0;
      await serve(() => (runs += 1));
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: newInbox(), deadline: Date.now() - 1_001 });
      await eventually('settled', () => main.settled.length === 1);
      expect(runs).toBe(0);
      await clientInbox.open();
      await publish({ feedbackTopic: feedbackTopicOf('b'), id: 'b', inbox: clientInbox.key, deadline: Date.now() - 500 });
      await eventually('run', () => runs === 1);
    });

    it('is started whatever deadline it names where it is an event: nobody waits for it', async () => {
      let runs = 0;
      await serve(() => void (runs += 1));
      await publish({ feedbackTopic: null, id: 'e', deadline: Date.now() - 60_000 });
      await eventually('the event was handled', () => runs === 1);
    });

    it('is not tried again once its deadline has passed, though the process was away when it did', async () => {
      let runs = 0;
      const clock = new ManualClock(Date.now());
      const asking = new Inbox(feedback, { leaseMs: 5_000, ttlMs: 300_000, logger });
      await asking.open();
      await serve(
        (run) => {
          runs += 1;
          const error = new Error('fails');
          run.noteFailure(error);
          throw error;
        },
        { clock, retry: { times: 1, delayMs: 500, jitter: 0 } },
      );
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: asking.key, deadline: clock.now() + 1_000 });
      await ticks();
      clock.sleep(5_000);
      clock.advance(0);
      await eventually('settled', () => main.settled.length === 1);
      expect(runs).toBe(1);
      await asking.close();
    });

    it('is not started when it has waited for a lease and its client is gone; events always are', async () => {
      const seen: unknown[] = [];
      const clock = new ManualClock(Date.now() + 6_000);
      await clientInbox.open();
      await serve((run) => void seen.push(run.envelope.id), { clock });
      await publish({ feedbackTopic: feedbackTopicOf('dead'), id: 'dead', inbox: newInbox() });
      await publish({ feedbackTopic: feedbackTopicOf('live'), id: 'live', inbox: clientInbox.key });
      await publish({ id: 'event' });
      await eventually('settled', () => main.settled.length === 3);
      expect(seen.toSorted()).toEqual(['event', 'live']);
    });
  });

  describe('F4: the same id twice', () => {
    it('runs once, one after the other or side by side', async () => {
      let runs = 0;
      let go = (): void => {};
      await serve(() => {
        runs += 1;
        return new Promise<void>((resolve) => (go = resolve));
      });
      await publish({ id: 'same' });
      await publish({ id: 'same' });
      await eventually('running', () => runs === 1);
      await ticks();
      expect(main.settled).toEqual([]);
      go();
      await eventually('both settled', () => main.settled.length === 2);
      await publish({ id: 'same' });
      await eventually('the third settled', () => main.settled.length === 3);
      expect(runs).toBe(1);
    });

    it('M3: what waits for the other one leaves its slot to that between two tries', async () => {
      const tries: number[] = [];
      await serve(
        (run) => {
          tries.push(run.attempt);
          if (tries.length === 1) throw new Error('once');
        },
        { concurrency: 1, retry: { times: 1, delayMs: 1 } },
      );
      await publish({ id: 'same' });
      await publish({ id: 'same' });
      await eventually('both settled', () => main.settled.length === 2);
      expect(tries).toEqual([1, 2]);
    });

    it('M2: what comes again while its end is being written is not settled by that', async () => {
      let store = (): void => {};
      const stored = new Promise<void>((resolve) => (store = resolve));
      const write = feedback.write.bind(feedback);
      feedback.write = async (...args) => (await stored, write(...args));
      let runs = 0;
      await serve(() => (runs += 1));
      await publish({ feedbackTopic: feedbackTopicOf('same'), id: 'same', inbox: newInbox() });
      await eventually('running', () => runs === 1);
      await publish({ feedbackTopic: feedbackTopicOf('same'), id: 'same', inbox: newInbox() });
      await ticks();
      expect(main.settled).toEqual([]);
      store();
      await eventually('both settled', () => main.settled.length === 2);
    });
  });

  describe('aborts', () => {
    const waiting = (aborted: unknown[]) => (run: Run) =>
      new Promise((resolve) => {
        run.signal.addEventListener('abort', () => {
          aborted.push((run.signal.reason as { code: string }).code);
          resolve('too late');
        });
        void run.respond('started');
      });

    it('F6: a cancel stops the handler; the message is done with', async () => {
      const aborted: unknown[] = [];
      await serve(waiting(aborted));
      const lane = producer.open('work', 1, {});
      expect(await lane.read()).toBe('started');
      lane.close();
      await eventually('aborted', () => aborted.length === 1);
      expect(aborted).toEqual(['CANCELLED']);
      await eventually('settled', () => main.settled.length === 1);
      expect(leftOver()).toBe(0);
    });

    /** An inbox of a client that says nothing by itself. */
    let asking: Inbox;
    beforeEach(() => (asking = new Inbox(feedback, { leaseMs: 5_000, ttlMs: 300_000, logger })));
    afterEach(() => asking.close());
    const cancel = (id: string) =>
      feedback.write(inbox.key, [{ field: 'control', value: Buffer.from(encodeControl({ control: 'cancel', id })) }]);

    it('a handler that has ended frees its place while its answer is stored, and its key only then', async () => {
      await asking.open();
      const write = feedback.write.bind(feedback);
      let store = (): void => {};
      const stored = new Promise<void>((resolve) => (store = resolve));
      feedback.write = async (...args) => (await stored, write(...args));
      const begun: unknown[] = [];
      await serve(({ envelope }) => (begun.push(envelope.value), 'answer'), { concurrency: 1 });
      const ask = (id: string, key: string | null = null) =>
        publish({ feedbackTopic: feedbackTopicOf(id), id, inbox: asking.key }, JSON.stringify(id), key);
      for (const [id, key] of [['a', 'k'], ['b'], ['c', 'k'], ['d']] as const) await ask(id, key);
      await eventually('all but the second of a key begun', () => begun.length === 3);
      expect(begun).toEqual(['a', 'b', 'd']);
      expect(main.settled).toEqual([]);
      store();
      await eventually('settled', () => main.settled.length === 4);
      expect(begun).toEqual(['a', 'b', 'd', 'c']);
    });

    it('a handler whose answers wait for their reader keeps its place', async () => {
      await asking.open();
      const begun: unknown[] = [];
      await serve(({ id }) => (begun.push(id), from([1, 2, 3])), { concurrency: 1 });
      const ask = (id: string) => publish({ feedbackTopic: feedbackTopicOf(id), id, inbox: asking.key, credit: 1 });
      await ask('a');
      await ask('b');
      await ticks(20);
      expect(begun).toEqual(['a']);
      const more = encodeControl({ control: 'credit', id: 'a', upTo: 10 });
      await feedback.write(inbox.key, [{ field: 'control', value: Buffer.from(more) }]);
      await eventually('the next has begun', () => begun.length === 2);
    });

    it('F6: a handler that has ended and whose answers wait for credit is done with at a cancel', async () => {
      await asking.open();
      await serve(() => from([1, 2, 3]));
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: asking.key, credit: 1 });
      await ticks();
      expect(main.settled).toEqual([]);
      await cancel('a');
      await eventually('settled', () => main.settled.length === 1);
      expect(leftOver()).toBe(0);
    });

    it('M4: a generator that awaits something when it is cancelled keeps its key until it ends', async () => {
      const running: string[] = [];
      let go = (): void => {};
      await asking.open();
      await serve(async function* (run) {
        running.push(run.id);
        yield 1;
        await new Promise<void>((resolve) => (go = resolve));
        running.splice(running.indexOf(run.id), 1);
      });
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: asking.key }, 'null', 'key');
      await publish({ feedbackTopic: feedbackTopicOf('b'), id: 'b', inbox: asking.key }, 'null', 'key');
      await eventually('running', () => running.length === 1);
      await ticks();
      await cancel('a');
      await eventually('settled', () => main.settled.length === 1);
      await ticks();
      expect(running).toEqual(['a']);
      go();
      await eventually('the next runs', () => running[0] === 'b');
      expect(running).toEqual(['b']);
      go();
    });

    it('F6: runs that name an inbox that is lost begin anew under the name of the next one', async () => {
      const lost = vi.spyOn(feedback, 'openReader');
      const instances: unknown[] = [];
      asking.receive({ onFrame: ({ instance, attempt }) => void instances.push([instance, attempt]), onLost: () => {} });
      await asking.open();
      const aborted: unknown[] = [];
      await serve((run) => {
        run.onAbort((reason) => void aborted.push(reason.code));
        return run.attempt === 1 ? new Promise((resolve) => run.onAbort(resolve)) : 'fine';
      });
      const first = inbox.key;
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: asking.key });
      await eventually('accepted', () => instances.length === 1);
      lost.mock.calls.find(([{ inbox: key }]) => key === first)![0].onLost();
      expect(inbox.isOpen).toBe(false);
      await eventually('answered', () => instances.length === 2);
      expect([aborted, instances]).toEqual([
        ['CLIENT_LOST'],
        [
          [first, 1],
          [inbox.key, 2],
        ],
      ]);
      expect(inbox.isOpen).toBe(true);
      await eventually('settled', () => main.settled.length === 1);
    });

    it('F6: a run whose answers are not stored when the inbox is lost begins anew with the same data', async () => {
      const opened = vi.spyOn(feedback, 'openReader');
      const given: unknown[] = [];
      await asking.open();
      await serve((run) => {
        given.push(structuredClone(run.envelope.value));
        return run.attempt === 1 ? from([1, 2, 3]) : 'fine';
      });
      const answered: unknown[] = [];
      asking.receive({
        onFrame: ({ values, attempt }) => void answered.push(...values.map((value) => [attempt, value])),
        onLost: () => {},
      });
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: asking.key, credit: 1 }, '{"n":[1,null]}');
      await eventually('the first', () => answered.length === 1);
      opened.mock.calls.find(([options]) => options.inbox === inbox.key)![0].onLost();
      await eventually('settled', () => main.settled.length === 1);
      expect(given).toEqual([{ n: [1, null] }, { n: [1, null] }]);
      await eventually('answered anew', () => answered.length === 2);
      expect(answered).toEqual([
        [1, 1],
        [2, 'fine'],
      ]);
    });

    it('what a handler was given is let go once it has ended, though its answers wait for their reader', async () => {
      let given: WeakRef<object> | undefined;
      const values: unknown[] = [];
      asking.receive({ onFrame: (frame) => void values.push(...frame.values), onLost: () => {} });
      await asking.open();
      await serve((run) => {
        given = new WeakRef(run.envelope.value as object);
        return from([1, 2, 3]);
      });
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: asking.key, credit: 1 }, '{"n":1}');
      await eventually('the first', () => values.length === 1);
      collectGarbage();
      expect([given!.deref(), main.settled]).toEqual([undefined, []]);
    });

    it('F6: a request waits for the inbox by which its client will reach it; an event does not', async () => {
      const started: string[] = [];
      const opened = vi.spyOn(feedback, 'openReader');
      await asking.open();
      const clock = new ManualClock(Date.now());
      await serve((run) => void started.push(run.id), { clock });
      const { onLost } = opened.mock.calls.find(([options]) => options.inbox === inbox.key)![0];
      opened.mockRejectedValueOnce(new StreambackConnectionError('UNREACHABLE', 'down'));
      opened.mockRejectedValueOnce(new StreambackConnectionError('UNREACHABLE', 'down'));
      onLost();
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: asking.key });
      await publish({ id: 'event' });
      await eventually('the event', () => main.settled.length === 1);
      expect([started, inbox.isOpen]).toEqual([['event'], false]);
      clock.advance(200);
      await eventually('the request', () => main.settled.length === 2);
      expect([started, inbox.isOpen]).toEqual([['event', 'a'], true]);
    });

    it('M2: what must finish waits for no credit once the inbox is lost by which it would come', async () => {
      const opened = vi.spyOn(feedback, 'openReader');
      const values: unknown[] = [];
      asking.receive({ onFrame: (frame) => void values.push(...frame.values), onLost: () => {} });
      await asking.open();
      await serve(() => from([1, 2, 3]), { cancellable: false });
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: asking.key, credit: 1 });
      await eventually('the first', () => values.length === 1);
      opened.mock.calls.find(([options]) => options.inbox === inbox.key)![0].onLost();
      await eventually('settled', () => main.settled.length === 1);
      await eventually('all', () => values.length === 3);
      expect(values).toEqual([1, 2, 3]);
    });

    it('F6: a client whose inbox is gone stops the handler; the message is done with', async () => {
      const aborted: unknown[] = [];
      await serve(waiting(aborted));
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: newInbox() });
      await eventually('aborted', () => aborted.length === 1);
      expect(aborted).toEqual(['CLIENT_LOST']);
      await eventually('settled', () => main.settled.length === 1);
    });

    it('M3: a revoked message is given back, and none is started that was revoked while it waited', async () => {
      const aborted: unknown[] = [];
      const started: string[] = [];
      await serve((run) => (started.push(run.message.offset), waiting(aborted)(run)), { concurrency: 1, drainTimeoutMs: 10 });
      await publish({ id: 'a' });
      await publish({ id: 'b' });
      await eventually('started', () => started.length === 1);
      main.revoke();
      await eventually('again', () => started.length === 2);
      expect(aborted).toEqual(['REVOKED']);
      expect(main.settled).toEqual([]);
      expect(main.released).toEqual(['0', '1']);
    });

    it('M3: a message that is revoked while its client is looked up is not started', async () => {
      let look = (): void => {};
      const looked = new Promise<void>((resolve) => (look = resolve));
      const client = newInbox();
      let asked = 0;
      feedback.alive = async () => (asked++, await looked, new Set([client]));
      let runs = 0;
      await serve(() => (runs += 1), { clock: new ManualClock(Date.now() + 6_000), drainTimeoutMs: 0 });
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: client });
      await eventually('asked', () => asked === 1);
      await consumer.close();
      look();
      await ticks();
      expect([runs, main.settled, await lag()]).toEqual([0, [], 1]);
    });

    it('M8: closing waits for handlers, and starts none that waits', async () => {
      let go = (): void => {};
      let runs = 0;
      await serve(
        () => {
          runs += 1;
          return new Promise<void>((resolve) => (go = resolve));
        },
        { concurrency: 1 },
      );
      await publish({ id: 'a' });
      await publish({ id: 'b' });
      await eventually('running', () => runs === 1);
      const closed = consumer.close();
      await ticks();
      go();
      await closed;
      expect([runs, main.settled, await lag()]).toEqual([1, ['0'], 1]);
      expect(consumer.close()).toBe(closed);
    });

    it('M8: closing aborts what takes too long, which is delivered again', async () => {
      const aborted: unknown[] = [];
      await serve(waiting(aborted), { drainTimeoutMs: 10 });
      const lane = producer.open('work', 1, {});
      expect(await lane.read()).toBe('started');
      await consumer.close();
      await ticks();
      expect(aborted).toEqual(['SHUTDOWN']);
      expect([main.settled, await lag(), leftOver()]).toEqual([[], 1, 0]);
      await serve((run) => run.message.rank);
      // It had answered, so it errs; the new run is of a higher rank.
      await expect(lane.read()).rejects.toMatchObject({ code: 'RESTARTED' });
      await eventually('settled', async () => (await lag()) === 0);
    });
  });

  describe('order', () => {
    it.each([
      ['key', ['a', 'a'], 1],
      ['key', ['a', 'b'], 2],
      ['key', [null, null], 2],
      ['partition', ['a', null], 1],
      ['none', ['a', 'a'], 2],
    ] as const)('M4: by %s, %j: %i at once', async (order, keys, wanted) => {
      let running = 0;
      let most = 0;
      await serve(
        async () => {
          most = Math.max(most, ++running);
          await ticks();
          running -= 1;
        },
        { order },
      );
      for (const key of keys) await publish({}, '1', key);
      await eventually('settled', () => main.settled.length === 2);
      expect(most).toBe(wanted);
    });

    it('M4: what comes again while its process lives is not overtaken by what waits behind it', async () => {
      const seen: unknown[] = [];
      const write = feedback.write.bind(feedback);
      let refusals = 1;
      feedback.write = async (...args) => {
        if (refusals-- > 0) throw new StreambackConnectionError('FEEDBACK_UNWRITABLE', 'full');
        return write(...args);
      };
      // A writer that is closed tries nothing again.
      void writer.close();
      await clientInbox.open();
      await serve((run) => void seen.push(run.envelope.value));
      await publish({ feedbackTopic: feedbackTopicOf('a'), id: 'a', inbox: clientInbox.key }, '1', 'k');
      for (const value of ['2', '3']) await publish({}, value, 'k');
      await publish({}, '9', 'other');
      await eventually('settled', () => main.settled.length === 4);
      expect(seen.filter((value) => value !== 9)).toEqual([1, 1, 2, 3]);
      expect(main.released.toSorted()).toEqual(['0', '1', '2']);
      expect(consumer.facts().inFlight, 'what was given back from behind it does not count for ever').toBe(0);
    });

    it('M4: keys are told apart by their bytes', async () => {
      let most = 0;
      let running = 0;
      await serve(async () => {
        most = Math.max(most, ++running);
        await ticks();
        running -= 1;
      });
      for (const byte of [0xfe, 0xff])
        await main.publish({ topic: 'work', key: Buffer.from([byte]), value: Buffer.from('1'), headers: [] });
      await eventually('settled', () => main.settled.length === 2);
      expect(most).toBe(2);
    });
  });

  describe('failures', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    it.each([
      ['an error', new Error('boom')],
      ['text', 'boom'],
      ['undefined', undefined],
      ['a BigInt', 1n],
      ['a cycle', cycle],
      ['what has no text', Object.create(null)],
      ['a symbol', Symbol('boom')],
    ])('an event that fails with %s is logged and settled', async (_name, thrown) => {
      let runs = 0;
      await serve(() => {
        runs += 1;
        throw thrown;
      });
      await publish({});
      await eventually('settled', () => main.settled.length === 1);
      expect([runs, main.released, logger.having("The event 'work' failed").length]).toEqual([1, [], 1]);
    });

    it('M2: a retry.on that fails itself has no further try: an event is put aside, a requester is answered', async () => {
      const retry = {
        times: 3,
        on: (): boolean => {
          throw new TypeError('no response');
        },
      };
      let runs = 0;
      await serve(
        () => {
          runs += 1;
          throw new Error('boom');
        },
        { retry },
      );
      await publish({});
      await eventually('settled', () => main.settled.length === 1);
      expect((await main.lag('nobody', ['work.dlt'])).get('work.dlt')).toBe(1);
      await expect(answers()).rejects.toMatchObject({ message: 'Error: boom' });
      expect([runs, main.released]).toEqual([2, []]);
      expect(logger.having('retry.on')).toHaveLength(1);
    });

    it('what can never be answered is logged and done with, and its handler runs once', async () => {
      const refused = new StreambackConnectionError('NOT_AUTHORIZED', 'no');
      feedback.write = async () => {
        throw refused;
      };
      let runs = 0;
      await serve(() => (runs += 1));
      producer.open('work', 1, {});
      await eventually('settled', () => main.settled.length === 1);
      expect([runs, main.released, logger.having('will not hear of it').length]).toEqual([1, [], 1]);
    });
  });

  it('a dead letter that a listener reads is an event to it: nobody is answered', async () => {
    await clientInbox.open();
    const requests: boolean[] = [];
    await serve((run) => void requests.push(run.responder !== null));
    const value = encodeEnvelope('1', { feedbackTopic: feedbackTopicOf('a'), sourceGroup: 'web', id: 'a', inbox: clientInbox.key });
    await main.publish({ topic: 'work', key: null, value, headers: [['streamback-code', Buffer.from('HANDLER_FAILED')]] });
    await main.publish({
      topic: 'work',
      key: null,
      value: encodeEnvelope('1', { feedbackTopic: feedbackTopicOf('b'), sourceGroup: 'web', id: 'b', inbox: clientInbox.key }),
      headers: [],
    });
    await eventually('settled', () => main.settled.length === 2);
    expect(requests).toEqual([false, true]);
  });

  it('what is sent again out of the dead letters runs, as an event without a deadline, though its id has just run', async () => {
    await clientInbox.open();
    const seen: [boolean, number, string][] = [];
    await serve((run) => void seen.push([run.responder !== null, run.deadline, run.id]));
    const head = { feedbackTopic: feedbackTopicOf('a'), sourceGroup: 'web', id: 'a', inbox: clientInbox.key };
    const deadline = Date.now() + 5_000;
    const send = (headers: OutgoingMessage['headers']) =>
      main.publish({ topic: 'work', key: 'k', value: encodeEnvelope('1', { ...head, deadline }), headers });
    await send([]);
    await send([]);
    await send([['streamback-replayed', Buffer.from('-1e9')]]);
    await eventually('settled', () => main.settled.length === 3);
    expect(seen).toEqual([
      [true, deadline, 'a'],
      [false, Infinity, 'a'],
    ]);
  });

  it("a further try is not made once Python's list has answers, whose frames name no attempt", async () => {
    const runs: number[] = [];
    const listener = { retry: { times: 2, delayMs: 1, jitter: 0 } };
    await serve(
      async (run) => {
        runs.push(run.attempt);
        if (run.envelope.value === 'late') await run.respond(run.attempt);
        run.noteFailure(new TypeError('fails'));
        throw new TypeError('fails');
      },
      { retry: listener.retry },
    );
    await publish({ feedbackTopic: feedbackTopicOf('early') }, '"early"');
    await eventually('settled', () => main.settled.length === 1);
    expect(runs.splice(0)).toEqual([1, 2, 3]);
    await publish({ feedbackTopic: feedbackTopicOf('late') }, '"late"');
    await eventually('settled', () => main.settled.length === 2);
    expect(runs).toEqual([1]);
  });

  it('a consumer that was closed before it started takes nothing', async () => {
    let runs = 0;
    const starting = serve(() => (runs += 1));
    await Promise.all([consumer.close(), starting]);
    await publish({});
    await ticks();
    expect(runs).toBe(0);
  });

  it('a consumer that is closed while it subscribes leaves its group', async () => {
    let subscribed = (): void => {};
    const held = new Promise<void>((resolve) => (subscribed = resolve));
    const subscribe = main.subscribe.bind(main);
    let asked = false;
    main.subscribe = async (options) => ((asked = true), await held, subscribe(options));
    const starting = serve(() => 1);
    await eventually('asked', () => asked);
    await consumer.close();
    subscribed();
    await starting;
    await publish({});
    await ticks();
    expect([main.released, await lag()]).toEqual([[], 1]);
  });

  it('keeps nothing after thousands of requests', async () => {
    await serve((run) => run.envelope.value);
    const all = await Promise.all(Array.from({ length: 2_000 }, (_, n) => answers(n)));
    expect(all).toEqual(Array.from({ length: 2_000 }, (_, n) => [n]));
    await eventually('settled', async () => (await lag()) === 0);
    expect(leftOver()).toBe(0);
    expect((writer as unknown as { channels: Map<string, unknown> }).channels.size).toBe(0);
  });
});
