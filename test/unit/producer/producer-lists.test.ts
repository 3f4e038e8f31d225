import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FeedbackWriter } from '../../../lib/inbox/feedback-writer';
import { Inbox } from '../../../lib/inbox/inbox';
import { Producer } from '../../../lib/producer/producer';
import type { ProducerOptions } from '../../../lib/producer/producer-options';
import type { StreambackRequestOptions } from '../../../lib/producer/request-options';
import { decodeEnvelope, type Envelope } from '../../../lib/protocol/envelope';
import { FrameEncoder, pythonFrames } from '../../../lib/protocol/frame';
import { feedbackTopicOf, newId } from '../../../lib/protocol/keys';
import type { ListReaderOptions } from '../../../lib/streams/feedback-stream';
import type { OutgoingMessage } from '../../../lib/streams/main-stream';
import { MemoryFeedbackStream } from '../../../lib/streams/memory/memory.feedback-stream';
import { MemoryMainStream } from '../../../lib/streams/memory/memory.main-stream';
import { freshName } from '../../support/fresh-name';
import { ManualClock } from '../../support/manual-clock';
import { RecordingLogger } from '../../support/recording-logger';
import { tick, ticks } from '../../support/tick';

class RecordingMainStream extends MemoryMainStream {
  readonly envelopes: Envelope[] = [];

  override async publish(message: OutgoingMessage): Promise<void> {
    this.envelopes.push(decodeEnvelope(message.value));
  }
}

/** Keeps how it was asked, and can cut a reader. */
class RecordingFeedbackStream extends MemoryFeedbackStream {
  readonly looks: (readonly string[])[] = [];
  readonly opened: ListReaderOptions[] = [];
  readonly marked: string[] = [];
  closedReaders = 0;

  override async filledLists(topics: readonly string[]): Promise<ReadonlySet<string>> {
    this.looks.push(topics);
    return super.filledLists(topics);
  }

  override async openListReader(options: ListReaderOptions): Promise<{ close(): Promise<void> }> {
    this.opened.push(options);
    const reader = await super.openListReader(options);
    return { close: () => ((this.closedReaders += 1), reader.close()) };
  }

  override async cancel(ids: readonly string[]): Promise<void> {
    this.marked.push(...ids);
  }
}

class WithoutLists extends RecordingFeedbackStream {
  override readonly capabilities = { lists: false, durable: true };
}

const CONSUMER = 'streamback_inbox_consumer';

describe('Producer, with feedback lists', () => {
  let clock: ManualClock;
  let main: RecordingMainStream;
  let feedback: RecordingFeedbackStream;
  let server: MemoryFeedbackStream;
  let inbox: Inbox;
  let producer: Producer;
  const made = (options: Partial<ProducerOptions> = {}): Producer => {
    const logger = new RecordingLogger();
    inbox = new Inbox(feedback, { leaseMs: 5_000, ttlMs: 300_000, logger });
    const writer = new FeedbackWriter(feedback, 300_000, logger, clock);
    return new Producer(
      main,
      { stream: feedback, inbox, writer },
      {
        group: 'web',
        topicsPrefix: '',
        maxMessageBytes: 1_000,
        defaults: {},
        leaseMs: 5_000,
        cancelTtlMs: 60_000,
        clock,
        ...options,
      },
    );
  };
  beforeEach(async () => {
    clock = new ManualClock();
    main = new RecordingMainStream(freshName('lists'));
    const name = freshName('lists');
    feedback = new RecordingFeedbackStream(name, clock);
    server = new MemoryFeedbackStream(name);
    producer = made();
    await producer.connect();
  });
  afterEach(async () => {
    producer.close();
    await inbox.close();
    await Promise.all([main.close(), feedback.close(), server.close()]);
  });

  const send = (options: StreambackRequestOptions = {}, pattern = 'old.service') => {
    const seen: unknown[] = [];
    const request = producer.request(pattern, { n: 1 }, options, {
      next: (value) => seen.push(value),
      error: (error) => seen.push({ error }),
      complete: () => seen.push('complete'),
    });
    return { request, seen, code: () => (seen.at(-1) as { error?: { code: string } } | undefined)?.error?.code };
  };
  const write = async (id: string, ...frames: string[]): Promise<void> => {
    await server.writeList(
      feedbackTopicOf(id),
      frames.map((frame) => Buffer.from(frame)),
      60_000,
    );
    await ticks();
  };
  const answer = (value: unknown, group = 'py'): string => pythonFrames.response(JSON.stringify(value), group);
  const end = pythonFrames.end('py');
  /** Has a request answered in frames of ours. */
  const answerByInbox = async (): Promise<void> => {
    const answered = send();
    await ticks();
    const frames = new FrameEncoder({ id: answered.request.id, sourceGroup: 'g', run: 1, attempt: 1, instance: CONSUMER });
    await server.write(inbox.key, [{ field: 'frame', value: Buffer.from(frames.end(['1'])) }]);
    await ticks();
    expect(answered.seen).toEqual([1, 'complete']);
  };
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.advance(50);
      await ticks();
    }
  };

  it('finds out that a request is answered in its list, and sends those after it by list', async () => {
    const first = send();
    await ticks();
    expect(main.envelopes[0]!.inbox).toBe(inbox.key);
    await write(first.request.id, answer(1), answer(2), end);
    expect(first.seen).toEqual([]);
    await pass(250);
    expect(first.seen).toEqual([1, 2, 'complete']);
    const second = send();
    await ticks();
    expect(main.envelopes[1]!.inbox).toBeUndefined();
    await write(second.request.id, answer(3), end);
    expect(second.seen).toEqual([3, 'complete']);
    expect(feedback.looks).toHaveLength(1);
    expect(send({}, 'another').request.feedback).toBe('inbox');
    await pass(600_000);
    expect(send().request.feedback).toBe('inbox');
    expect(feedback.closedReaders).toBe(2);
  });

  it('looks later for the list of a request whose pattern has been answered by inbox', async () => {
    await answerByInbox();
    const waiting = send();
    const other = send({}, 'another');
    await pass(1_900);
    expect(feedback.looks.flat()).not.toContain(feedbackTopicOf(waiting.request.id));
    expect(feedback.looks.flat()).toContain(feedbackTopicOf(other.request.id));
    await write(waiting.request.id, answer(2), end);
    await pass(500);
    expect(waiting.seen).toEqual([2, 'complete']);
    // From now on it is known to be answered by list.
    expect(send().request.feedback).toBe('list');
  });

  it('looks as soon as at first once a request has ended without anybody heard', async () => {
    await answerByInbox();
    // Its service is Python's from now on.
    const missed = send({ timeoutMs: 1_000 });
    await pass(1_100);
    expect(missed.code()).toBe('DEADLINE_EXCEEDED');
    const found = send({ timeoutMs: 1_000 });
    await ticks();
    await write(found.request.id, answer(2), end);
    await pass(400);
    expect(found.seen).toEqual([2, 'complete']);
  });

  it('costs a request that is answered nothing, and one that is silent less and less', async () => {
    const idle = clock.pending;
    const answered = send();
    await ticks();
    const frames = new FrameEncoder({ id: answered.request.id, sourceGroup: 'g', run: 1, attempt: 1, instance: CONSUMER });
    await server.write(inbox.key, [{ field: 'frame', value: Buffer.from(frames.accepted()) }]);
    await ticks();
    await pass(1_000);
    expect(feedback.looks).toEqual([]);
    answered.request.close();
    const silent = send({}, 'silent');
    await pass(20_000);
    expect(feedback.looks.length).toBeGreaterThan(8);
    expect(feedback.looks.length).toBeLessThan(16);
    expect(new Set(feedback.looks.flat())).toEqual(new Set([feedbackTopicOf(silent.request.id)]));
    silent.request.close();
    await pass(61_000);
    expect(clock.pending).toBe(idle);
  });

  it('looks once for all that are silent', async () => {
    const sent = Array.from({ length: 50 }, () => send());
    await ticks();
    await pass(250);
    expect(feedback.looks.map((topics) => topics.length)).toEqual([50]);
    for (const { request } of sent) request.close();
  });

  it("errs FEEDBACK_UNSUPPORTED where 'inbox' was asked for, at whatever level", async () => {
    producer = made({ requestOptions: { 'by.pattern': { feedback: 'inbox' } } });
    await producer.connect();
    const requests = [send({ feedback: 'inbox' }), send({}, 'by.pattern')];
    await ticks();
    for (const { request } of requests) await write(request.id, answer(1));
    await pass(250);
    expect(requests.map(({ code }) => code())).toEqual(['FEEDBACK_UNSUPPORTED', 'FEEDBACK_UNSUPPORTED']);
  });

  it('by list, numbered frames are held to their order, and control reaches their consumer', async () => {
    const { request, seen, code } = send({ feedback: 'list' });
    await ticks();
    expect(main.envelopes[0]).toMatchObject({ inbox: undefined, credit: 256, id: request.id });
    const frames = new FrameEncoder({ id: request.id, sourceGroup: 'g', run: 1, attempt: 1, instance: CONSUMER });
    const [one, , three] = [frames.response(['1']), frames.response(['2']), frames.response(['3'])];
    await write(request.id, one);
    expect([seen, request.instance]).toEqual([[1], CONSUMER]);
    await write(request.id, three);
    expect(code()).toBe('GAP');
  });

  it('what is no frame ends the request, and frames of another one are passed over', async () => {
    const { request, code, seen } = send({ feedback: 'list' });
    await ticks();
    const other = new FrameEncoder({ id: newId(), sourceGroup: 'g', run: 1, attempt: 1, instance: CONSUMER });
    await write(request.id, other.response(['1']), answer(2));
    expect(seen).toEqual([2]);
    await write(request.id, '{"event":"response_start"}');
    expect(code()).toBe('MALFORMED_FRAME');
  });

  it('a cut pop is FEEDBACK_UNCERTAIN for frames without numbers, at once', async () => {
    const { request, code } = send({ feedback: 'list' });
    await ticks();
    await write(request.id, answer(1));
    feedback.opened[0]!.onUncertain();
    expect(code()).toBe('FEEDBACK_UNCERTAIN');
  });

  it('a cut pop is nothing for numbered frames that go on, and FEEDBACK_UNCERTAIN where none comes', async () => {
    for (const goesOn of [true, false]) {
      const { request, code, seen } = send({ feedback: 'list', idleTimeoutMs: 2_000 });
      await ticks();
      const frames = new FrameEncoder({ id: request.id, sourceGroup: 'g', run: 1, attempt: 1, instance: CONSUMER });
      await write(request.id, frames.response(['1']));
      feedback.opened.at(-1)!.onUncertain();
      expect(seen).toEqual([1]);
      if (goesOn) await write(request.id, frames.response(['2']));
      await pass(2_100);
      expect(code()).toBe(goesOn ? 'IDLE_TIMEOUT' : 'FEEDBACK_UNCERTAIN');
    }
  });

  it('a lane by list leaves its list alone, and waits for nothing, until it is read', async () => {
    const lane = producer.open<number>('old.service', 1, { feedback: 'list', idleTimeoutMs: 1_000 });
    await ticks();
    expect(lane.feedbackTopic).toBe(feedbackTopicOf(lane.id));
    await write(lane.id, answer(1), answer(2), end);
    await pass(10_000);
    expect(feedback.opened).toEqual([]);
    expect([await lane.read(), await lane.read(), await lane.read()]).toEqual([1, 2, undefined]);
    const late = producer.open<number>('old.service', 1, { feedback: 'list', timeoutMs: 1_000 });
    await pass(2_000);
    const read = late.read();
    read.catch(() => undefined);
    await pass(100);
    await expect(read).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it("F5: what a lane does not read of Python's answers stays in the list", async () => {
    const lane = producer.open<number>('old.service', 1, { feedback: 'list', idleTimeoutMs: 1_000 });
    await ticks();
    const read: (number | undefined)[] = [await Promise.all([write(lane.id, answer(0)), lane.read()]).then(([, first]) => first)];
    for (let from = 1; from < 3_000; from += 100) await write(lane.id, ...Array.from({ length: 100 }, (_, n) => answer(from + n)));
    expect((await server.filledLists([lane.feedbackTopic!])).size).toBe(1);
    await pass(5_000);
    while (read.length < 3_001) {
      read.push(await lane.read());
      if (read.length % 400 === 0) await ticks();
    }
    expect(read).toEqual(Array.from({ length: 3_001 }, (_, n) => n));
    await write(lane.id, end);
    expect(await lane.read()).toBeUndefined();
  });

  it('F2: a lane that has caught up with its list waits no longer than idleTimeoutMs', async () => {
    const lane = producer.open<number>('old.service', 1, { feedback: 'list', idleTimeoutMs: 1_000 });
    await ticks();
    const first = lane.read();
    await write(lane.id, ...Array.from({ length: 1_001 }, (_, n) => answer(n)));
    expect(await first).toBe(0);
    await pass(2_000);
    for (let n = 1; n <= 1_000; n++) expect(await lane.read()).toBe(n);
    const last = lane.read();
    last.catch(() => undefined);
    await pass(1_100);
    await expect(Promise.race([last, tick()])).rejects.toMatchObject({ code: 'IDLE_TIMEOUT' });
  });

  it('F5: what a lane has dropped at a restart does not count as unread: it reads on', async () => {
    const lane = producer.open<number>('old.service', 1, { feedback: 'list', onRestart: () => {} });
    await ticks();
    const first = lane.read();
    const frames = new FrameEncoder({ id: lane.id, sourceGroup: 'py', run: 1, attempt: 1, instance: CONSUMER });
    await write(lane.id, ...Array.from({ length: 601 }, () => frames.response(['-1'])));
    expect(await first).toBe(-1);
    await write(lane.id, ...Array.from({ length: 500 }, (_, n) => answer(n)));
    for (let n = 0; n < 500; n++) expect(await lane.read()).toBe(n);
    const last = lane.read();
    await write(lane.id, answer(500));
    await expect(Promise.race([last, tick()])).resolves.toBe(500);
  });

  it('a list is resumed, also by the process that has sent its request, and midway', async () => {
    const lane = producer.open<number>('new.service', 1, { feedback: 'list' });
    await ticks();
    const frames = new FrameEncoder({ id: lane.id, sourceGroup: 'g', run: 1, attempt: 1, instance: CONSUMER });
    frames.response(['0']);
    await write(lane.id, frames.response(['1']), frames.response(['2']));
    const resumed = producer.resume<number>(lane.feedbackTopic!);
    expect([await resumed.read(), await resumed.read()]).toEqual([1, 2]);
    await write(lane.id, frames.end());
    expect(await resumed.read()).toBeUndefined();
    expect([resumed.id, resumed.group, resumed.feedbackTopic]).toEqual([lane.id, 'g', lane.feedbackTopic]);
  });

  it('closing the client leaves handlers alone whose lists another may read; closing a lane does not', async () => {
    const [left, closed] = [producer.open('a', 1, { feedback: 'list' }), producer.open('b', 1, { feedback: 'list' })];
    const read = send({ feedback: 'list' });
    await ticks();
    closed.close();
    producer.close();
    await ticks();
    expect(feedback.marked).toEqual([closed.id]);
    expect(read.code()).toBe('CLOSED');
    await expect(left.read()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('refuses lists where there are none, and looks for none', async () => {
    await feedback.close();
    feedback = new WithoutLists(freshName('lists'), clock);
    producer = made();
    await producer.connect();
    expect(send({ feedback: 'list' }).seen.at(-1)).toMatchObject({ error: { code: 'MISSING_CAPABILITY', option: 'feedback' } });
    expect(() => producer.resume(feedbackTopicOf('x'))).toThrow(expect.objectContaining({ code: 'MISSING_CAPABILITY' }));
    const request = send();
    await pass(5_000);
    expect(feedback.looks).toEqual([]);
    request.request.close();
  });

  it('answers of other groups do not keep a request alive, and its timeout names the option', async () => {
    const { request, seen } = send({ feedback: 'list', fromGroup: 'mine', idleTimeoutMs: 1_000 });
    await ticks();
    await write(request.id, answer(1));
    await pass(1_100);
    expect(seen).toMatchObject([
      {
        error: {
          code: 'IDLE_TIMEOUT',
          message: expect.stringContaining("answers of 'py' were dropped, 'fromGroup' is 'mine'"),
          remedy: expect.stringContaining("'fromGroup'"),
        },
      },
    ]);
  });
});
