import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StreambackConnectionError, StreambackPublishError } from '../../../lib/common/errors';
import { runInCall } from '../../../lib/context/call-context';
import { FeedbackWriter } from '../../../lib/inbox/feedback-writer';
import { Inbox } from '../../../lib/inbox/inbox';
import { Producer } from '../../../lib/producer/producer';
import type { ProducerOptions } from '../../../lib/producer/producer-options';
import type { StreambackRequestOptions } from '../../../lib/producer/request-options';
import { decodeControl } from '../../../lib/protocol/control-message';
import { decodeEnvelope, type Envelope } from '../../../lib/protocol/envelope';
import { FrameEncoder } from '../../../lib/protocol/frame';
import type { OutgoingMessage } from '../../../lib/streams/main-stream';
import { MemoryMainStream } from '../../../lib/streams/memory/memory.main-stream';
import { freshName } from '../../support/fresh-name';
import { ManualClock } from '../../support/manual-clock';
import { RecordingLogger } from '../../support/recording-logger';
import { ScriptedFeedbackStream } from '../../support/scripted-feedback-stream';
import { tick, ticks } from '../../support/tick';

/** A memory stream that keeps what is published, and fails as it is told to. */
class ScriptedMainStream extends MemoryMainStream {
  readonly published: (OutgoingMessage & { readonly envelope: Envelope })[] = [];
  readonly connectFailures: Error[] = [];
  readonly publishFailures: Error[] = [];
  connects = 0;

  override async connect(): Promise<void> {
    this.connects += 1;
    const failure = this.connectFailures.shift();
    if (failure) throw failure;
  }

  override async publish(message: OutgoingMessage): Promise<void> {
    const failure = this.publishFailures.shift();
    if (failure) throw failure;
    this.published.push({ ...message, envelope: decodeEnvelope(message.value) });
    await super.publish(message);
  }
}

const CONSUMER = 'streamback_inbox_consumer';

describe('Producer', () => {
  let clock: ManualClock;
  let main: ScriptedMainStream;
  let feedback: ScriptedFeedbackStream;
  let inbox: Inbox;
  let producer: Producer;
  const made = (options: Partial<ProducerOptions> = {}, withFeedback = true): Producer => {
    const logger = new RecordingLogger();
    inbox = new Inbox(feedback, { leaseMs: 5_000, ttlMs: 300_000, logger });
    const writer = new FeedbackWriter(feedback, 300_000, logger, clock);
    return new Producer(main, withFeedback ? { stream: feedback, inbox, writer } : undefined, {
      group: 'web',
      topicsPrefix: '',
      maxMessageBytes: 1_000,
      defaults: {},
      leaseMs: 5_000,
      cancelTtlMs: 60_000,
      clock,
      ...options,
    });
  };
  beforeEach(() => {
    clock = new ManualClock();
    main = new ScriptedMainStream(freshName('producer'));
    feedback = new ScriptedFeedbackStream(freshName('producer'));
    producer = made();
  });
  afterEach(async () => {
    producer.close();
    await inbox.close();
    await Promise.all([main.close(), feedback.close()]);
  });

  const inFlight = (): number => (producer as unknown as { requests: ReadonlyMap<string, unknown> }).requests.size;
  const send = (options: StreambackRequestOptions = {}, data: unknown = { n: 1 }) => {
    const seen: unknown[] = [];
    const request = producer.request('reports.build', data, options, {
      next: (value) => seen.push(value),
      error: (error) => seen.push({ error }),
      complete: () => seen.push('complete'),
    });
    return { request, seen, error: () => (seen.at(-1) as { error?: { code: string } } | undefined)?.error };
  };
  const encoder = (id: string, run = 0) => new FrameEncoder({ id, sourceGroup: 'reports', run, attempt: 1, instance: CONSUMER });
  const arrive = (...frames: Buffer[]) => feedback.readers.at(-1)!.onItems(frames.map((value) => ({ field: 'frame', value })));
  const controls = () => feedback.writes.map(({ key, texts }) => [key, ...texts.map((text) => decodeControl(Buffer.from(text)))]);

  describe('emit', () => {
    it('publishes an event, with key and headers, and no feedback topic', async () => {
      await producer.emit('orders.created', { n: 1 }, { key: 'k', headers: { a: 'ü' } });
      expect(main.published).toMatchObject([{ topic: 'orders.created', key: 'k', headers: [['a', Buffer.from('ü')]] }]);
      const { envelope } = main.published[0]!;
      expect(envelope).toMatchObject({ value: { n: 1 }, feedbackTopic: null, sourceGroup: 'web', id: expect.any(String) });
      expect([envelope.inbox, envelope.deadline]).toEqual([undefined, undefined]);
    });

    it('M1: rejects with what the broker says', async () => {
      const error = new StreambackPublishError('PUBLISH_TIMEOUT', 'late');
      main.publishFailures.push(error);
      await expect(producer.emit('a', 1)).rejects.toBe(error);
    });

    it('takes null, and refuses what is no JSON, no pattern, or too large', async () => {
      await producer.emit('a', null);
      expect(main.published[0]!.envelope.value).toBeNull();
      await expect(producer.emit('a', 1n)).rejects.toMatchObject({ code: 'NOT_SERIALIZABLE' });
      await expect(producer.emit('a', undefined)).rejects.toMatchObject({ code: 'NOT_SERIALIZABLE' });
      await expect(producer.emit('a.dlt', 1)).rejects.toMatchObject({ code: 'INVALID_PATTERN' });
      await expect(producer.emit('a', 'x'.repeat(1_000))).rejects.toMatchObject({
        code: 'TOO_LARGE',
        message: expect.stringContaining('maxMessageBytes'),
      });
      expect(main.published).toHaveLength(1);
    });

    it('counts key and headers into the size, in bytes', async () => {
      await producer.emit('a', 'x'.repeat(700));
      const size = main.published[0]!.value!.length;
      const rest = 1_000 - size;
      await producer.emit('a', 'x'.repeat(700), { key: 'k'.repeat(rest) });
      await expect(producer.emit('a', 'x'.repeat(700), { key: 'k'.repeat(rest + 1) })).rejects.toMatchObject({ code: 'TOO_LARGE' });
      await expect(producer.emit('a', 'x'.repeat(700), { key: 'ü'.repeat(rest - 1) })).rejects.toMatchObject({ code: 'TOO_LARGE' });
      await producer.emit('a', 'x'.repeat(700), { headers: { h: 'v'.repeat(rest - 1) } });
      await expect(producer.emit('a', 'x'.repeat(700), { headers: { hh: 'v'.repeat(rest - 1) } })).rejects.toMatchObject({
        code: 'TOO_LARGE',
      });
    });

    it('prefixes topics, and does not remember patterns without bound', async () => {
      producer = made({ topicsPrefix: 'app' });
      for (let index = 0; index < 2_500; index++) await producer.emit(`p${index}`, 1);
      expect(main.published.at(-1)!.topic).toBe('app.p2499');
      expect((producer as unknown as { publisher: { topics: Map<string, string> } }).publisher.topics.size).toBeLessThanOrEqual(1_000);
    });

    it('needs no feedback stream', async () => {
      producer = made({}, false);
      await producer.emit('a', 1);
      expect(main.published).toHaveLength(1);
    });
  });

  describe('connect', () => {
    it('connects once, however much is sent', async () => {
      await Promise.all([producer.connect(), producer.connect(), producer.emit('a', 1), producer.emit('a', 2)]);
      send();
      await ticks();
      expect(main.connects).toBe(1);
      expect(feedback.readers).toHaveLength(1);
      expect(main.published).toHaveLength(3);
    });

    it('fails what is sent meanwhile, and is tried again with what comes next', async () => {
      const error = new StreambackConnectionError('UNREACHABLE', 'down');
      main.connectFailures.push(error);
      const { error: seen } = send();
      await expect(producer.emit('a', 1)).rejects.toBe(error);
      expect(seen()).toBe(error);
      expect(inFlight()).toBe(0);
      await producer.emit('a', 2);
      expect(main.connects).toBe(2);
    });

    it('sends events where the inbox cannot be made: they need no answers', async () => {
      feedback.connectFailures.push(...Array.from({ length: 3 }, () => new StreambackConnectionError('UNREACHABLE', 'no redis')));
      await expect(producer.connect()).rejects.toMatchObject({ message: 'no redis' });
      await producer.emit('a', 1);
      expect(main.published).toHaveLength(1);
      const { error: seen } = send();
      await ticks();
      expect(seen()).toMatchObject({ message: 'no redis' });
    });

    it('fails where the inbox cannot be made', async () => {
      feedback.connectFailures.push(new StreambackConnectionError('UNREACHABLE', 'no redis'));
      await expect(producer.connect()).rejects.toMatchObject({ message: 'no redis' });
      await producer.connect();
    });
  });

  describe('request', () => {
    it('publishes what a consumer needs to answer', async () => {
      const { request } = send({ timeoutMs: 5_000, key: 'k' });
      await ticks();
      const [message] = main.published;
      expect(message).toMatchObject({ topic: 'reports.build', key: 'k' });
      expect(message!.envelope).toEqual({
        value: { n: 1 },
        feedbackTopic: `streamback_feedback_${request.id}`,
        sourceGroup: 'web',
        id: request.id,
        inbox: inbox.key,
        deadline: clock.now() + 5_000,
        timeoutMs: 5_000,
        credit: 256,
      });
    });

    it('sends no deadline where there is none', async () => {
      send();
      await ticks();
      expect([main.published[0]!.envelope.deadline, main.published[0]!.envelope.timeoutMs]).toEqual([undefined, undefined]);
    });

    it('routes frames to their request alone, and forgets it at its end', async () => {
      const [one, two] = [send(), send()];
      await ticks();
      expect(inFlight()).toBe(2);
      const [first, second] = [encoder(one.request.id), encoder(two.request.id)];
      arrive(first.response('1'), second.response('2'), first.end(), encoder('unknown').end());
      expect([one.seen, two.seen]).toEqual([[1, 'complete'], [2]]);
      expect(inFlight()).toBe(1);
      arrive(second.endWithError('no', '{"value":{"status":"error"}}'));
      expect(two.error()).toEqual({ status: 'error' });
      expect(inFlight()).toBe(0);
      await ticks();
      expect(feedback.writes).toEqual([]);
    });

    it('F6: unsubscribing sends a cancel to the consumer, once', async () => {
      const { request, seen } = send();
      await ticks();
      const frames = encoder(request.id);
      arrive(frames.response('1'));
      request.close();
      request.close();
      arrive(frames.response('2'));
      await ticks();
      expect(controls()).toEqual([[CONSUMER, { control: 'cancel', id: request.id }]]);
      expect(seen).toEqual([1]);
      expect(inFlight()).toBe(0);
    });

    it('F5: reading gives credit, which is said again while nothing comes', async () => {
      const { request } = send({ credit: 4 });
      await ticks();
      const frames = encoder(request.id);
      arrive(frames.response('1'), frames.response('2'));
      await ticks();
      expect(controls()).toEqual([[CONSUMER, { control: 'credit', id: request.id, upTo: 10 }]]);
      feedback.writes[0]!.settle('written');
      await ticks();
      clock.advance(1_000);
      await ticks();
      expect(controls()).toHaveLength(2);
      arrive(frames.end());
      clock.advance(60_000);
      await ticks();
      expect(controls()).toHaveLength(2);
    });

    it('F2: a consumer whose lease has ended breaks the lanes that were read, and leaves the others to the next run', async () => {
      const [read, unread] = [send(), send()];
      await ticks();
      arrive(encoder(read.request.id).response('1'), encoder(unread.request.id).accepted());
      clock.advance(2_500);
      await ticks();
      expect(read.error()).toMatchObject({ code: 'CONSUMER_LOST', retryable: true });
      expect(inFlight()).toBe(1);
      const next = new FrameEncoder({ id: unread.request.id, sourceGroup: 'g', run: 1, attempt: 1, instance: 'streamback_inbox_next' });
      arrive(next.end('2'));
      expect(unread.seen).toEqual([2, 'complete']);
    });

    it('F6: a consumer that was held to be gone is told of a cancel all the same: it may only have been slow', async () => {
      const { request } = send();
      await ticks();
      arrive(encoder(request.id).accepted());
      clock.advance(2_500);
      await ticks();
      request.close();
      await ticks();
      expect(controls()).toEqual([[CONSUMER, { control: 'cancel', id: request.id }]]);
      expect([...(await feedback.cancelled([request.id]))]).toEqual([request.id]);
    });

    it('F6: a request that is cancelled before its consumer is known is marked; should it answer all the same, its consumer is told', async () => {
      const { request } = send();
      await ticks();
      request.close();
      await ticks();
      expect([...(await feedback.cancelled([request.id, 'other']))]).toEqual([request.id]);
      const frames = encoder(request.id);
      arrive(frames.accepted());
      arrive(frames.response('1'));
      await ticks();
      expect(controls()).toEqual([[CONSUMER, { control: 'cancel', id: request.id }]]);
    });

    it('F6: where the next run of a lane that was read is not followed, its consumer is told to stop it', async () => {
      const { request, error } = send();
      await ticks();
      arrive(encoder(request.id).response('1'));
      const next = { id: request.id, sourceGroup: 'reports', run: 1, attempt: 1, instance: 'streamback_inbox_next' };
      arrive(new FrameEncoder(next).response('1'));
      expect(error()).toMatchObject({ code: 'RESTARTED' });
      await ticks();
      expect(controls().map(([key]) => key)).toEqual([CONSUMER, next.instance]);
    });

    it('F2, F4: of a request to several groups, the loss of one does not keep the others from beginning it; its end does', async () => {
      const results: unknown[] = [];
      const request = producer.gather(
        'offers',
        1,
        { idleTimeoutMs: 10_000 },
        { groups: ['lost', 'silent', 'late'], timeoutMs: 60_000 },
        { next: (result) => results.push(result), error: (error) => results.push(error), complete: () => {} },
      );
      await ticks();
      const of = (sourceGroup: string) =>
        new FrameEncoder({ id: request.id, sourceGroup, run: 0, attempt: 1, instance: `streamback_inbox_${sourceGroup}` });
      arrive(of('lost').response('1'), of('silent').accepted());
      clock.advance(2_500);
      await ticks();
      clock.advance(60_000 - 2_501);
      await ticks();
      expect(inFlight()).toBe(1);
      expect([...(await feedback.cancelled([request.id]))]).toEqual([]);
      clock.advance(1);
      await ticks();
      expect(results).toEqual([expect.objectContaining({ missing: ['late'], complete: false })]);
      expect([...(await feedback.cancelled([request.id])), inFlight()]).toEqual([request.id, 0]);
    });

    it('F5: of several groups each that starves has its grant said again', async () => {
      const observer = { next: () => {}, error: () => {}, complete: () => {} };
      const request = producer.gather('offers', 1, { credit: 1 }, { groups: ['a', 'b', 'c'], timeoutMs: 60_000 }, observer);
      await ticks();
      for (const sourceGroup of ['a', 'b']) {
        const frames = new FrameEncoder({ id: request.id, sourceGroup, run: 0, attempt: 1, instance: `streamback_inbox_${sourceGroup}` });
        arrive(frames.response('1'));
      }
      await ticks();
      const toldTo = () => controls().map(([key, control]) => [key, (control as { upTo?: number }).upTo]);
      const [a, b] = ['streamback_inbox_a', 'streamback_inbox_b'];
      expect(toldTo()).toEqual([[a, 3], [b, 3]]); // prettier-ignore
      // What is on its way to one is not said again meanwhile, which says nothing of the other.
      feedback.writes[0]!.settle('written');
      await ticks();
      clock.advance(1_000);
      await ticks();
      expect(toldTo()).toEqual([[a, 3], [b, 3], [a, 3]]); // prettier-ignore
    });

    it('F6: where its consumer is lost, a lane that was read has its request marked, so that no other begins it', async () => {
      const { request, error } = send();
      await ticks();
      arrive(encoder(request.id).response('1'));
      clock.advance(2_500);
      await ticks();
      expect(error()).toMatchObject({ code: 'CONSUMER_LOST' });
      expect([...(await feedback.cancelled([request.id]))]).toEqual([request.id]);
      // Both whom it was lost with, should it live, and whoever has begun all the same.
      arrive(new FrameEncoder({ id: request.id, sourceGroup: 'g', run: 1, attempt: 1, instance: 'streamback_inbox_next' }).accepted());
      await ticks();
      expect(controls().map(([key]) => key)).toEqual([CONSUMER, 'streamback_inbox_next']);
    });

    const OTHER = 'streamback_inbox_other';
    const otherEncoder = (id: string, run: number, sourceGroup: string) =>
      new FrameEncoder({ id, sourceGroup, run, attempt: 1, instance: OTHER });

    it('F6: runs that are not followed are told when the request is over, one way or the other', async () => {
      const [completed, restarted] = [send(), send()];
      await ticks();
      arrive(encoder(completed.request.id).response('1'), otherEncoder(completed.request.id, 0, 'another').response('2'));
      arrive(encoder(restarted.request.id).response('1'));
      await ticks();
      expect(controls()).toEqual([]);
      const frames = encoder(completed.request.id);
      frames.response('1');
      arrive(frames.end());
      await ticks();
      expect(completed.seen).toEqual([1, 'complete']);
      expect(controls()).toEqual([[OTHER, { control: 'cancel', id: completed.request.id }]]);
      feedback.writes[0]!.settle('written');
      await ticks();
      arrive(otherEncoder(restarted.request.id, 1, 'reports').response('1'));
      expect(restarted.error()).toMatchObject({ code: 'RESTARTED' });
      await ticks();
      expect(controls().slice(1)).toEqual([
        [CONSUMER, { control: 'cancel', id: restarted.request.id }],
        [OTHER, { control: 'cancel', id: restarted.request.id }],
      ]);
    });

    it('F6: a run that begins when its request is over is told at its first frame, unless that is its end', async () => {
      const { request } = send();
      await ticks();
      arrive(encoder(request.id).end());
      const late = otherEncoder(request.id, 1, 'reports');
      arrive(otherEncoder(request.id, 2, 'reports').end());
      arrive(late.response('1'), late.response('2'));
      await ticks();
      expect(controls()).toEqual([[OTHER, { control: 'cancel', id: request.id }]]);
    });

    it('a timeout sends a cancel as well', async () => {
      const { request, error } = send({ idleTimeoutMs: 100 });
      await ticks();
      arrive(encoder(request.id).accepted());
      clock.advance(100);
      expect(error()).toMatchObject({ code: 'IDLE_TIMEOUT', waitingFor: 'first-answer' });
      await ticks();
      expect(controls()).toEqual([[CONSUMER, { control: 'cancel', id: request.id }]]);
      expect(inFlight()).toBe(0);
      clock.advance(60_000);
      expect(clock.pending).toBe(0);
    });

    it('is not published any more once it is unsubscribed', async () => {
      const { request } = send();
      request.close();
      await ticks();
      expect(main.published).toEqual([]);
      expect(inFlight()).toBe(0);
    });

    it('F7: times out where nobody answers, and says whom it waited for', async () => {
      const { error } = send({ timeoutMs: 100 });
      await ticks();
      clock.advance(99);
      expect(inFlight()).toBe(1);
      clock.advance(1);
      expect(error()).toMatchObject({ code: 'DEADLINE_EXCEEDED', waitingFor: 'consumer' });
      expect(inFlight()).toBe(0);
    });

    it('times out while the broker is out of reach, too', async () => {
      main.connect = () => new Promise(() => {});
      const { error } = send({ timeoutMs: 100 });
      clock.advance(100);
      expect(error()).toMatchObject({ code: 'DEADLINE_EXCEEDED', waitingFor: 'broker' });
      expect(inFlight()).toBe(0);
    });

    it("takes the connection's timeouts where it says none", async () => {
      producer = made({ defaults: { idleTimeoutMs: 50, timeoutMs: 80 } });
      const { error } = send();
      const { error: own } = send({ idleTimeoutMs: 70 });
      clock.advance(50);
      expect(error()).toMatchObject({ code: 'IDLE_TIMEOUT' });
      expect(own()).toBeUndefined();
      clock.advance(30);
      expect(own()).toMatchObject({ code: 'IDLE_TIMEOUT' });
    });

    it('F7: inherits what is left of an outer deadline, and is not sent when nothing is', async () => {
      const outer = (deadline: number) => ({ deadline, room: () => undefined, noteFailure() {}, noteRefusal() {}, noteSuccess() {} });
      runInCall(outer(clock.now() + 300), () => send());
      runInCall(outer(clock.now() + 300), () => send({ timeoutMs: 100 }));
      runInCall(outer(clock.now() + 300), () => send({ timeoutMs: 900 }));
      runInCall(outer(Infinity), () => send({ timeoutMs: 900 }));
      const { error } = runInCall(outer(clock.now()), () => send());
      expect(error()).toMatchObject({ code: 'DEADLINE_EXCEEDED', waitingFor: 'broker' });
      await ticks();
      expect(main.published.map(({ envelope }) => envelope.timeoutMs)).toEqual([300, 100, 300, 900]);
      expect(inFlight()).toBe(4);
    });

    it.each([
      ['no feedback stream', 'MISSING_CAPABILITY', () => void (producer = made({}, false)), { n: 1 }],
      ['what is no JSON', 'NOT_SERIALIZABLE', () => {}, 1n],
      ['what is too large', 'TOO_LARGE', () => {}, 'x'.repeat(1_000)],
      [
        'a refusing broker',
        'PUBLISH_TIMEOUT',
        () => void main.publishFailures.push(new StreambackPublishError('PUBLISH_TIMEOUT', 'late')),
        1,
      ],
      ['a closed client', 'CLOSED', () => producer.close(), 1],
    ])('errs through its observer, and leaves nothing: %s', async (_name, code, prepare, data) => {
      prepare();
      const { error } = send({}, data);
      await ticks();
      expect(error()).toMatchObject({ code });
      expect(inFlight()).toBe(0);
      clock.advance(60_000);
      expect(clock.pending).toBe(0);
    });

    it('leaves no timer on a closed client', async () => {
      producer.close();
      send({ timeoutMs: 100 });
      await ticks();
      expect(clock.pending).toBe(0);
    });

    it('F1: a lost inbox fails what is in flight, and what comes next goes by the new one', async () => {
      const { error } = send();
      await ticks();
      const first = inbox.key;
      feedback.readers[0]!.onLost();
      expect(error()).toMatchObject({ code: 'INBOX_LOST', retryable: true });
      expect(inFlight()).toBe(0);
      const again = send();
      await ticks();
      expect(inbox.key).not.toBe(first);
      expect(main.published.map(({ envelope }) => envelope.inbox)).toEqual([first, inbox.key]);
      arrive(encoder(again.request.id).end('1'));
      expect(again.seen).toEqual([1, 'complete']);
    });

    it('thousands in flight share four timers (deadlines, credit, leases, lists), and leave none', async () => {
      const sent = Array.from({ length: 3_000 }, () => send());
      await ticks();
      expect(clock.pending).toBe(4);
      arrive(...sent.map(({ request }) => encoder(request.id).end('1')));
      expect(sent.every(({ seen }) => seen.length === 2)).toBe(true);
      expect(inFlight()).toBe(0);
      clock.advance(60_000);
      expect(clock.pending).toBe(0);
    });
  });

  it('publishes no request while its new inbox is not there yet', async () => {
    send();
    await ticks();
    let open = (): void => {};
    feedback.opening = new Promise((resolve) => (open = resolve));
    feedback.readers[0]!.onLost();
    send();
    await ticks();
    expect(main.published).toHaveLength(1);
    open();
    await ticks();
    expect(main.published[1]!.envelope.inbox).toBe(inbox.key);
  });

  describe('close', () => {
    it('ends what is in flight with CLOSED, and refuses what comes', async () => {
      const { error } = send();
      const lane = producer.open('reports.build', 1, {});
      await ticks();
      producer.close();
      expect(error()).toMatchObject({ code: 'CLOSED' });
      await expect(lane.read()).rejects.toMatchObject({ code: 'CLOSED' });
      expect([inFlight(), clock.pending]).toEqual([0, 0]);
      await expect(producer.emit('a', 1)).rejects.toMatchObject({ code: 'CLOSED' });
      await expect(producer.open('a', 1, {}).read()).rejects.toMatchObject({ code: 'CLOSED' });
    });
  });

  it('open gives the answers as a lane, whose closing cancels', async () => {
    const lane = producer.open<number>('reports.build', 1, {});
    await ticks();
    const frames = encoder(lane.id);
    arrive(frames.response('1'), frames.response('2'));
    expect([await lane.read(), lane.group, lane.attempt]).toEqual([1, 'reports', 1]);
    lane.close();
    await tick();
    expect(controls()).toEqual([[CONSUMER, { control: 'cancel', id: lane.id }]]);
    expect(await lane.read()).toBeUndefined();
  });

  it.each(['throws', 'rejects'])('F4: an onRestart that %s is logged and harms nobody', async (how) => {
    const logger = new RecordingLogger();
    producer = made({ logger });
    const boom = new Error('boom');
    const onRestart = (): void => {
      if (how === 'throws') throw boom;
      return Promise.reject(boom) as unknown as void;
    };
    const { request, seen } = send({ onRestart });
    await ticks();
    arrive(encoder(request.id, 0).response('1'));
    arrive(encoder(request.id, 1).response('2'));
    await ticks();
    expect(seen).toEqual([1, 2]);
    expect(logger.having("onRestart of 'reports.build' failed: Error: boom")).toHaveLength(1);
  });

  describe('maxPendingBytes', () => {
    const text = 'x'.repeat(400);
    const held = () => (producer as unknown as { publisher: { pending: { bytes: number } } }).publisher.pending.bytes;
    /** The broker acknowledges nothing until it is told to. */
    const holdBroker = () => {
      const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
      main.publish = () => new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
      return waiting;
    };
    beforeEach(() => {
      producer = made({ maxPendingBytes: 2_000 });
    });

    it('refuses what the broker has no room for, and takes more once it has acknowledged or refused', async () => {
      const waiting = holdBroker();
      await producer.connect();
      const sent = [1, 2, 3].map(() => producer.emit('a', text).catch((error: unknown) => error));
      await tick();
      expect(waiting).toHaveLength(3);
      await expect(producer.emit('a', text)).rejects.toMatchObject({ code: 'BUFFER_FULL', retryable: true });
      const { error, request } = send({}, text);
      await tick();
      expect([error()?.code, request.isOver, waiting.length]).toEqual(['BUFFER_FULL', true, 3]);
      waiting[0]!.resolve();
      await tick();
      void producer.emit('a', text).catch(() => undefined);
      await tick();
      expect(waiting).toHaveLength(4);
      for (const { reject } of waiting) reject(new StreambackPublishError('PUBLISH_TIMEOUT', 'late'));
      await Promise.all(sent);
      await tick();
      expect(held()).toBe(0);
    });

    it('takes a single message that is larger while nothing else is pending', async () => {
      producer = made({ maxPendingBytes: 10 });
      const waiting = holdBroker();
      void producer.emit('a', text);
      await ticks();
      expect(waiting).toHaveLength(1);
      await expect(producer.emit('a', 1)).rejects.toMatchObject({ code: 'BUFFER_FULL' });
      waiting[0]!.resolve();
      await ticks();
      expect(held()).toBe(0);
    });

    it('counts what waits for the first connection, too', async () => {
      let connect = (): void => {};
      main.connect = () => new Promise<void>((resolve) => (connect = resolve));
      const outcomes = Array.from({ length: 6 }, () =>
        producer.emit('a', text).then(
          () => 'sent',
          (error: { code: string }) => error.code,
        ),
      );
      await tick();
      expect(held()).toBeLessThanOrEqual(2_000);
      connect();
      const codes = await Promise.all(outcomes);
      expect(codes.slice(-2)).toEqual(['BUFFER_FULL', 'BUFFER_FULL']);
      expect(codes).toContain('sent');
      expect(held()).toBe(0);
    });
  });

  it('F5: a grant that is on its way is not said again, however long the server is away; nor is a tick of cancels sent beside another', async () => {
    feedback.alive = async (inboxes) => new Set(inboxes);
    const sent = send({ credit: 2 });
    const others = Array.from({ length: 5 }, () => send());
    await ticks();
    const frames = encoder(sent.request.id);
    arrive(frames.response('0'), frames.response('1'));
    await tick();
    const { writer } = (producer as unknown as { feedback: { writer: { sending: number } } }).feedback;
    const onTheirWay = writer.sending;
    expect(onTheirWay).toBeGreaterThan(0);
    for (let second = 0; second < 30; second++) {
      clock.advance(1_000);
      await tick();
    }
    expect(writer.sending).toBe(onTheirWay);
    let cancels = 0;
    feedback.cancel = () => ((cancels += 1), new Promise(() => {}));
    for (const { request } of others) {
      request.close();
      await tick();
    }
    expect(cancels).toBe(1);
  });
});
