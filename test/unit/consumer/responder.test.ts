import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StreambackConnectionError, type StreambackAbortError } from '../../../lib/common/errors';
import { listFrames, runFrames } from '../../../lib/consumer/frame-format';
import { Responder, type ResponderOptions } from '../../../lib/consumer/responder';
import { FeedbackWriter } from '../../../lib/inbox/feedback-writer';
import { freshName } from '../../support/fresh-name';
import { RecordingLogger } from '../../support/recording-logger';
import { ScriptedFeedbackStream } from '../../support/scripted-feedback-stream';
import { tick, ticks } from '../../support/tick';

const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  await ticks();
  return Promise.race([
    promise.then(
      () => true,
      () => true,
    ),
    tick().then(() => false),
  ]);
};

describe('Responder', () => {
  let stream: ScriptedFeedbackStream;
  let gone: StreambackAbortError[];
  const make = (form: 'inbox' | 'list' = 'inbox', maxAnswerBytes = 1_000, options: Partial<ResponderOptions> = {}) =>
    new Responder({
      target: { form, key: 'streamback_inbox_1' },
      format:
        form === 'inbox' ? runFrames({ id: 'r', sourceGroup: 'g', run: 0, attempt: 1, instance: 'streamback_inbox_c' }) : listFrames('g'),
      writer: new FeedbackWriter(stream, 300_000, new RecordingLogger()),
      pattern: 'reports.build',
      maxAnswerBytes,
      maxBuffered: 10_000,
      credit: undefined,
      onGone: (reason) => void gone.push(reason),
      ...options,
    });
  beforeEach(() => {
    gone = [];
    stream = new ScriptedFeedbackStream(freshName('responder'));
  });
  afterEach(() => stream.close());
  const frames = () =>
    stream.writes.flatMap(({ texts }) =>
      texts.map((text) => JSON.parse(text) as { event: string; value?: unknown; seq?: number; error?: unknown }),
    );
  const short = () => frames().map(({ event, value, seq }) => [event, value, seq]);

  it('the end rides on the last answer of its tick: one answer is one frame', async () => {
    const responder = make();
    responder.write('only');
    const ended = responder.end();
    const { settle } = await stream.untilWrite(1);
    expect(short()).toEqual([['response_end', 'only', 0]]);
    expect(await isSettled(ended)).toBe(false);
    settle('written');
    await ended;
  });

  it('F5: a pulling handler waits before it outruns maxBuffered', async () => {
    const responder = make('inbox', 1_000, { maxBuffered: 3 });
    for (let n = 0; n < 3; n++) {
      expect(responder.room()).toBeUndefined();
      responder.write(n);
    }
    const room = responder.room()!;
    expect(await isSettled(room)).toBe(false);
    (await stream.untilWrite(1)).settle('written');
    expect(await isSettled(room)).toBe(true);
  });

  it('numbers frames without a hole, over ticks', async () => {
    const responder = make();
    responder.write(1);
    responder.write(2);
    (await stream.untilWrite(1)).settle('written');
    responder.write(3);
    responder.write(null);
    void responder.end();
    await stream.untilWrite(2);
    expect(short()).toEqual([
      ['response', 1, 0],
      ['response', 2, 1],
      ['response', 3, 2],
      ['response_end', null, 3],
    ]);
  });

  it('ends alone where the last answer went before, and where there was none', async () => {
    const responder = make();
    void responder.end();
    (await stream.untilWrite(1)).settle('written');
    expect(short()).toEqual([['response_end', undefined, 0]]);
    const other = make();
    other.write(1);
    (await stream.untilWrite(2)).settle('written');
    void other.end();
    await stream.untilWrite(3);
    expect(short().slice(1)).toEqual([
      ['response', 1, 0],
      ['response_end', undefined, 1],
    ]);
  });

  it('an error comes behind what was answered, as a frame of its own', async () => {
    const responder = make();
    responder.write(1);
    void responder.endWithError('no', { value: { status: 'error' } });
    await stream.untilWrite(1);
    expect(frames()).toMatchObject([
      { event: 'response', value: 1, seq: 0 },
      { event: 'response_end_with_error', error: 'no', details: { value: { status: 'error' } }, seq: 1 },
    ]);
  });

  it("writes lists in Python's form: the end is a frame of its own", async () => {
    const responder = make('list');
    responder.write(1);
    void responder.end();
    await stream.untilWrite(1);
    expect(stream.writes[0]!.texts).toEqual([
      '{"value":1,"event":"response","source_group":"g"}',
      '{"event":"response_end","error":null,"source_group":"g"}',
    ]);
  });

  it('drops what comes after the end', async () => {
    const responder = make();
    void responder.end();
    responder.write('late');
    void responder.endWithError('late', { value: 1 });
    void responder.end();
    (await stream.untilWrite(1)).settle('written');
    responder.write('later');
    await ticks();
    expect(short()).toEqual([['response_end', undefined, 0]]);
  });

  it('refuses what is no JSON, or too large in bytes', () => {
    const responder = make('inbox', 10);
    responder.write('12345678');
    for (const value of ['123456789', 'üüüüü'])
      expect(() => responder.write(value)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
    responder.write('üüüü');
    expect(() => responder.write(1n)).toThrow(expect.objectContaining({ code: 'NOT_SERIALIZABLE' }));
  });

  it('F5: has no room from 256 unwritten answers on, until they are stored', async () => {
    const responder = make();
    for (let n = 0; n < 255; n++) responder.write(n);
    expect(responder.room()).toBeUndefined();
    responder.write(255);
    const room = responder.room()!;
    expect(await isSettled(room)).toBe(false);
    stream.writes[0]!.settle('written');
    await room;
    expect(responder.room()).toBeUndefined();
  });

  it('F5: has no room while a megabyte is unwritten', async () => {
    const responder = make('inbox', 2_000_000);
    responder.write('x'.repeat(999_000));
    expect(responder.room()).toBeUndefined();
    responder.write('x'.repeat(999));
    expect(responder.room()).toBeInstanceOf(Promise);
    (await stream.untilWrite(1)).settle('written');
    await ticks();
    expect(responder.room()).toBeUndefined();
  });

  it('flushed waits for what was written, also over two writes', async () => {
    const responder = make();
    await responder.flushed();
    responder.write(1);
    await stream.untilWrite(1);
    responder.write(2);
    const flushed = responder.flushed();
    stream.writes[0]!.settle('written');
    expect(await isSettled(flushed)).toBe(false);
    (await stream.untilWrite(2)).settle('written');
    await flushed;
  });

  it('F6: tells when nobody reads any more, and does not wait', async () => {
    const responder = make();
    responder.write(1);
    const ended = responder.end();
    (await stream.untilWrite(1)).settle('gone');
    await ended;
    expect(gone).toMatchObject([{ code: 'CLIENT_LOST' }]);
  });

  it('M2: the end rejects when it cannot be stored, and answers are refused from then on', async () => {
    const responder = make();
    const error = new StreambackConnectionError('NOT_AUTHORIZED', 'no');
    responder.write(1);
    (await stream.untilWrite(1)).settle(error);
    await responder.flushed();
    expect(() => responder.write(2)).toThrow(error);
    const ended = responder.end();
    (await stream.untilWrite(2)).settle('written');
    await expect(ended).rejects.toBe(error);
    await expect(responder.endWithError('x', { value: 1 })).rejects.toBe(error);
  });

  it('abandon drops what was not written, and lets go whoever waits', async () => {
    const responder = make();
    for (let n = 0; n < 300; n++) responder.write(n);
    const [room, flushed] = [responder.room()!, responder.flushed()];
    responder.abandon();
    await Promise.all([room, flushed]);
    responder.write('late');
    await ticks();
    expect(stream.writes).toEqual([]);
  });

  it('abandon waits for what is under way', async () => {
    const responder = make();
    responder.write(1);
    await stream.untilWrite(1);
    responder.write(2);
    responder.abandon();
    const flushed = responder.flushed();
    expect(await isSettled(flushed)).toBe(false);
    stream.writes[0]!.settle('written');
    await flushed;
    await ticks();
    expect(stream.writes).toHaveLength(1);
  });

  describe('maxPendingBytes, which all responders of a connection share', () => {
    let writer: FeedbackWriter;
    const TEXT = 'x'.repeat(398);
    const on = (key: string, options: Partial<ResponderOptions> = {}) =>
      make('inbox', 10_000, { writer, target: { form: 'inbox', key }, ...options });
    beforeEach(() => {
      writer = new FeedbackWriter(stream, 300_000, new RecordingLogger(), undefined, 1_000);
    });

    it('one fills it, and the other waits until there is room', async () => {
      const [one, other] = [on('streamback_inbox_1'), on('streamback_inbox_2')];
      for (let n = 0; n < 3; n++) one.write(TEXT);
      expect(writer.pending.bytes).toBe(1_200);
      const room = other.room()!;
      expect([one.room() instanceof Promise, await isSettled(room)]).toEqual([true, false]);
      (await stream.untilWrite(1)).settle('written');
      await room;
      expect([writer.pending.bytes, other.room()]).toEqual([0, undefined]);
    });

    it('what is held for want of credit does not count: a slow reader slows nobody else', async () => {
      const [slow, other] = [on('streamback_inbox_1', { credit: 1 }), on('streamback_inbox_2')];
      for (let n = 0; n < 10; n++) slow.write(TEXT);
      expect([writer.pending.bytes, other.room()]).toEqual([400, undefined]);
      await tick();
      slow.grant(5);
      await tick();
      expect(writer.pending.bytes).toBe(400);
      (await stream.untilWrite(1)).settle('written');
      await stream.untilWrite(2);
      expect(writer.pending.bytes).toBe(1_600);
      expect(other.room()).toBeInstanceOf(Promise);
      stream.writes[1]!.settle('written');
      await ticks();
      expect(writer.pending.bytes).toBe(0);
    });

    it.each<[string, (responder: Responder) => Promise<void> | void]>([
      ['abandoned', (responder) => responder.abandon()],
      ['refused', async () => (await stream.untilWrite(1)).settle(new StreambackConnectionError('NOT_AUTHORIZED', 'no'))],
      ['gone', async () => (await stream.untilWrite(1)).settle('gone')],
    ])('gives back all that it held when it is %s', async (how, end) => {
      const responder: Responder = on('streamback_inbox_1', { onGone: () => responder.abandon() });
      responder.write(TEXT);
      if (how !== 'abandoned') await tick();
      responder.write(TEXT);
      expect(writer.pending.bytes).toBe(800);
      const room = on('streamback_inbox_2').room();
      await end(responder);
      await room;
      await ticks();
      expect(writer.pending.bytes).toBe(0);
    });
  });
});
