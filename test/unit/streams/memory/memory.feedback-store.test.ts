import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryFeedbackStream } from '../../../../lib/streams/memory/memory.feedback-stream';
import { ManualClock } from '../../../support/manual-clock';

const tick = () => new Promise((resolve) => setImmediate(resolve));
const INBOX = 'streamback_inbox_1';
const LIST = 'streamback_feedback_1';

describe('MemoryFeedbackStream in time', () => {
  let clock: ManualClock;
  let stream: MemoryFeedbackStream;
  beforeEach(() => {
    clock = new ManualClock();
    stream = new MemoryFeedbackStream('in time', clock);
  });
  afterEach(() => stream.close());

  const open = async () => {
    const batches: string[][] = [];
    let lost = 0;
    const reader = await stream.openReader({
      inbox: INBOX,
      ttlMs: 900,
      leaseMs: 300,
      onItems: (items) => void batches.push(items.map(({ value }) => value.toString())),
      onLost: () => (lost += 1),
    });
    return { reader, batches, lost: () => lost };
  };
  const write = (text: string) => stream.write(INBOX, [{ field: 'frame', value: Buffer.from(text) }]);

  it('hands over what a tick wrote in one batch', async () => {
    const { batches } = await open();
    await Promise.all([write('a'), write('b')]);
    await tick();
    await write('c');
    await tick();
    expect(batches).toEqual([['a', 'b'], ['c']]);
  });

  it('F3: renews the inbox while time goes on', async () => {
    const { lost } = await open();
    clock.advance(10_000);
    expect(await write('x')).toBe('written');
    expect((await stream.alive([INBOX], 300)).size).toBe(1);
    expect(lost()).toBe(0);
  });

  it('F2, F3: a process that slept loses first its lease, then its inbox', async () => {
    const { lost } = await open();
    clock.sleep(300);
    expect((await stream.alive([INBOX], 300)).size).toBe(0);
    expect(await write('x')).toBe('written');
    clock.sleep(600);
    expect(await write('y')).toBe('gone');
    clock.advance(0);
    expect(lost()).toBe(1);
    expect(stream.unwrap().size).toBe(0);
    await tick();
  });

  it('F3: a list goes after its last frame, without being read', async () => {
    const frames: string[] = [];
    await stream.writeList(LIST, [Buffer.from('a')], 500);
    clock.advance(400);
    await stream.writeList(LIST, [Buffer.from('b')], 500);
    clock.advance(400);
    expect(stream.unwrap().size).toBe(1);
    clock.advance(100);
    expect(stream.unwrap().size).toBe(0);
    await stream.openListReader({ feedbackTopic: LIST, onFrames: (some) => void frames.push(...some.map(String)), onUncertain: () => {} });
    await tick();
    expect(frames).toEqual([]);
  });

  it('leaves no timer behind', async () => {
    const { reader } = await open();
    await stream.writeList(LIST, [Buffer.from('a')], 500);
    expect(clock.pending).toBe(2);
    await reader.close();
    expect(clock.pending).toBe(1);
    await stream.close();
    expect(clock.pending).toBe(0);
  });
});
