import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StreambackConnectionError, type StreambackError } from '../../../lib/common/errors';
import type { FeedbackLines } from '../../../lib/inbox/feedback-lines';
import { FeedbackWriter, type FeedbackSource, type FeedbackTarget } from '../../../lib/inbox/feedback-writer';
import type { WriteResult } from '../../../lib/streams/feedback-stream';
import { freshName } from '../../support/fresh-name';
import { ManualClock } from '../../support/manual-clock';
import { RecordingLogger } from '../../support/recording-logger';
import { ScriptedFeedbackStream } from '../../support/scripted-feedback-stream';
import { tick, ticks } from '../../support/tick';

const INBOX: FeedbackTarget = { form: 'inbox', key: 'streamback_inbox_1' };
const OTHER: FeedbackTarget = { form: 'inbox', key: 'streamback_inbox_2' };
const LIST: FeedbackTarget = { form: 'list', key: 'streamback_feedback_1' };
const unwritable = () => new StreambackConnectionError('FEEDBACK_UNWRITABLE', 'full');
const refused = () => new StreambackConnectionError('NOT_AUTHORIZED', 'no');

class Source implements FeedbackSource {
  private texts: string[] = [];
  readonly results: (WriteResult | StreambackError)[] = [];

  constructor(
    private readonly writer: FeedbackWriter,
    private readonly target: FeedbackTarget,
  ) {}

  write(...texts: string[]): this {
    this.texts.push(...texts);
    this.writer.schedule(this.target, this);
    return this;
  }

  drain(lines: FeedbackLines): void {
    for (const text of this.texts) lines.add('frame', text);
    this.texts = [];
  }

  written(result: WriteResult | StreambackError): void {
    this.results.push(result);
  }
}

describe('FeedbackWriter', () => {
  let stream: ScriptedFeedbackStream;
  let writer: FeedbackWriter;
  let clock: ManualClock;
  let logger: RecordingLogger;
  /** Nothing is kept for any target. */
  const isEmpty = () => (writer as unknown as { channels: ReadonlyMap<string, unknown> }).channels.size === 0;
  beforeEach(() => {
    clock = new ManualClock();
    logger = new RecordingLogger();
    stream = new ScriptedFeedbackStream(freshName('writer'));
    writer = new FeedbackWriter(stream, 300_000, logger, clock);
  });
  afterEach(() => stream.close());
  const texts = () => stream.writes.map((write) => write.texts.join());

  it('writes once a target and tick, each source in its turn, in the order things were written', async () => {
    const [one, two, other] = [new Source(writer, INBOX), new Source(writer, INBOX), new Source(writer, OTHER)];
    one.write('a');
    two.write('b');
    one.write('c');
    other.write('x');
    writer.send(INBOX, 'd');
    expect(stream.writes).toHaveLength(0);
    await tick();
    expect(stream.writes.map(({ key, texts: some }) => [key, ...some])).toEqual([
      [INBOX.key, 'a', 'c', 'b', 'd'],
      [OTHER.key, 'x'],
    ]);
    stream.writes[0]!.settle('written');
    await ticks();
    one.write('e');
    await tick();
    expect(texts()).toEqual(['a,c,b,d', 'x', 'e']);
  });

  it('tells each source of its write, and none of another one', async () => {
    const [one, other] = [new Source(writer, INBOX).write('a'), new Source(writer, OTHER).write('b')];
    await tick();
    stream.writes[0]!.settle('written');
    await ticks();
    expect([one.results, other.results]).toEqual([['written'], []]);
    stream.writes[1]!.settle('gone');
    await ticks();
    expect(other.results).toEqual(['gone']);
  });

  it('writes nothing where nothing was drained, and says that it is written', async () => {
    const source = new Source(writer, INBOX).write();
    await tick();
    expect(stream.writes).toEqual([]);
    expect(source.results).toEqual(['written']);
  });

  it('F3: writes lists with their life', async () => {
    const source = new Source(writer, LIST).write('a', 'b');
    await tick();
    expect(stream.writes).toMatchObject([{ key: LIST.key, texts: ['a', 'b'], ttlMs: 300_000 }]);
    stream.writes[0]!.settle('written');
    await ticks();
    expect(source.results).toEqual(['written']);
  });

  it('repeats a failed write, later and later, and tells of the outcome alone', async () => {
    const source = new Source(writer, INBOX).write('a');
    await tick();
    for (let attempt = 0; attempt < 3; attempt++) {
      stream.writes[attempt]!.settle(unwritable());
      await ticks();
      expect(stream.writes).toHaveLength(attempt + 1);
      clock.advance(100 * 2 ** attempt * 0.79);
      await ticks();
      expect(stream.writes).toHaveLength(attempt + 1);
      clock.advance(100 * 2 ** attempt * 0.42);
      await ticks();
      expect(stream.writes).toHaveLength(attempt + 2);
    }
    expect(source.results).toEqual([]);
    stream.writes[3]!.settle('written');
    await ticks();
    expect(source.results).toEqual(['written']);
    expect(texts()).toEqual(['a', 'a', 'a', 'a']);
    expect(logger.having('trying again')).toHaveLength(1);
    expect(isEmpty()).toBe(true);
  });

  it('does not repeat what will never be written', async () => {
    const source = new Source(writer, INBOX).write('a');
    await tick();
    const error = refused();
    stream.writes[0]!.settle(error);
    await ticks();
    expect(source.results).toEqual([error]);
    expect(clock.pending).toBe(0);
    expect(isEmpty()).toBe(true);
  });

  it('F1: keeps order: one write a target is under way, what comes meanwhile is one write behind it; others do not wait', async () => {
    const source = new Source(writer, INBOX).write('a');
    await tick();
    source.write('b');
    await ticks();
    source.write('c');
    new Source(writer, OTHER).write('x');
    await ticks();
    expect(texts()).toEqual(['a', 'x']);
    stream.writes[0]!.settle('written');
    await ticks();
    expect(texts()).toEqual(['a', 'x', 'b,c']);
    expect(source.results).toEqual(['written']);
    stream.writes[2]!.settle('written');
    await ticks();
    expect(source.results).toEqual(['written', 'written']);
  });

  it('F1: keeps order where a write fails and is repeated', async () => {
    const source = new Source(writer, INBOX).write('a');
    await tick();
    stream.writes[0]!.settle(unwritable());
    source.write('b');
    await ticks();
    clock.advance(200);
    await ticks();
    expect(texts()).toEqual(['a', 'a']);
    stream.writes[1]!.settle('written');
    await ticks();
    expect(texts()).toEqual(['a', 'a', 'b']);
    stream.writes[2]!.settle('written');
    await ticks();
    expect(source.results).toEqual(['written', 'written']);
    expect(isEmpty()).toBe(true);
  });

  it('is loud about the first of many targets that cannot be written, and again after all could', async () => {
    const targets = Array.from({ length: 20 }, (_, index): FeedbackTarget => ({ form: 'inbox', key: `streamback_inbox_${index}` }));
    for (let round = 1; round <= 2; round++) {
      for (const target of targets) new Source(writer, target).write('a');
      await tick();
      for (const write of stream.writes.splice(0)) write.settle(unwritable());
      await ticks();
      clock.advance(200);
      await ticks();
      for (const write of stream.writes.splice(0)) write.settle('written');
      await ticks();
      expect(logger.having('trying again')).toHaveLength(round);
    }
    expect(isEmpty()).toBe(true);
  });

  it('writes what a source adds when it is told of its write', async () => {
    const source = new Source(writer, INBOX).write('a');
    const written = source.written.bind(source);
    source.written = (result) => {
      written(result);
      if (source.results.length === 1) source.write('b');
    };
    await tick();
    stream.writes[0]!.settle('written');
    await ticks();
    expect(texts()).toEqual(['a', 'b']);
  });

  describe('memory of what is written', () => {
    const LONG = 'x'.repeat(100_000);
    const memories: unknown[] = [];
    const writeLong = async (outcome: WriteResult | StreambackError, target = INBOX) => {
      new Source(writer, target).write(LONG);
      await tick();
      stream.writes.at(-1)!.settle(outcome);
      await ticks();
    };
    const sharing = (copies?: boolean): void => {
      Object.assign(stream, { capabilities: { ...stream.capabilities, copies } });
      writer = new FeedbackWriter(stream, 300_000, logger, clock);
      memories.length = 0;
      const [write, writeList] = [stream.write.bind(stream), stream.writeList.bind(stream)];
      stream.write = (key, items) => (memories.push(items[0]!.value.buffer), write(key, items));
      stream.writeList = (key, frames, ttlMs) => (memories.push(frames[0]!.buffer), writeList(key, frames, ttlMs));
    };
    const distinct = () => new Set(memories).size;

    it('is used again where the stream copies it', async () => {
      sharing(true);
      await writeLong('written');
      await writeLong('gone');
      await writeLong('written', LIST);
      expect([memories.length, distinct()]).toEqual([3, 1]);
      expect(texts()).toEqual([LONG, LONG, LONG]);
    });

    it('is not used again where the stream may keep it', async () => {
      sharing();
      await writeLong('written');
      await writeLong('written');
      expect([memories.length, distinct()]).toEqual([2, 2]);
    });

    it('is not used again after a try that failed: that may still be on its way', async () => {
      sharing(true);
      await writeLong(unwritable());
      clock.advance(200);
      await ticks();
      stream.writes.at(-1)!.settle('written');
      await ticks();
      await writeLong('written');
      expect([memories.length, distinct()]).toEqual([3, 2]);
    });
  });

  it('close ends the repeating, and tells so', async () => {
    const source = new Source(writer, INBOX).write('a');
    await tick();
    const error = unwritable();
    stream.writes[0]!.settle(error);
    await ticks();
    const closed = writer.close();
    clock.advance(200);
    await ticks();
    stream.writes[1]!.settle(error);
    await ticks();
    clock.advance(100_000);
    await closed;
    expect(stream.writes).toHaveLength(2);
    expect(source.results).toEqual([error]);
  });

  it('forgets control that cannot be written', async () => {
    writer.send(INBOX, 'd');
    await tick();
    stream.writes[0]!.settle(refused());
    await ticks();
    expect(isEmpty()).toBe(true);
  });

  it('bounds the single items that wait for a server that is away, and takes more when they are written', async () => {
    let taken = 0;
    for (let n = 0; n < 10_100; n++) if (writer.send(INBOX, 'x')) taken += 1;
    expect(taken).toBe(10_000);
    await tick();
    stream.writes[0]!.settle('written');
    await ticks();
    expect(writer.send(INBOX, 'x')).toBe(true);
  });
});
