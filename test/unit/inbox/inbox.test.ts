import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StreambackConnectionError, type StreambackLaneError } from '../../../lib/common/errors';
import { Inbox } from '../../../lib/inbox/inbox';
import { encodeControl, type ControlMessage } from '../../../lib/protocol/control-message';
import { FrameEncoder, type Frame } from '../../../lib/protocol/frame';
import { isInbox } from '../../../lib/protocol/keys';
import { freshName } from '../../support/fresh-name';
import { RecordingLogger } from '../../support/recording-logger';
import { ScriptedFeedbackStream } from '../../support/scripted-feedback-stream';
import { ticks } from '../../support/tick';

describe('Inbox', () => {
  let stream: ScriptedFeedbackStream;
  let inbox: Inbox;
  let logger: RecordingLogger;
  let frames: Frame[];
  let controls: ControlMessage[];
  let losses: StreambackLaneError[];
  beforeEach(() => {
    logger = new RecordingLogger();
    stream = new ScriptedFeedbackStream(freshName('inbox'));
    inbox = new Inbox(stream, { leaseMs: 5_000, ttlMs: 300_000, logger });
    [frames, controls, losses] = [[], [], []];
    inbox.receive({ onFrame: (frame) => void frames.push(frame), onLost: (error) => void losses.push(error) });
    inbox.receiveControl({ onControl: (message) => void controls.push(message), onLost: () => {} });
  });
  afterEach(async () => {
    await inbox.close();
    await stream.close();
  });
  const frame = () =>
    Buffer.from(new FrameEncoder({ id: 'r', sourceGroup: 'g', run: 0, attempt: 1, instance: 'streamback_inbox_c' }).response(['1']));
  const cancel = (id: string) => Buffer.from(encodeControl({ control: 'cancel', id }));

  it('opens once, however often it is asked, and closes with what it opened', async () => {
    expect(inbox.isOpen).toBe(false);
    await Promise.all([inbox.open(), inbox.open()]);
    await inbox.open();
    expect(inbox.isOpen).toBe(true);
    expect(isInbox(inbox.key)).toBe(true);
    expect(stream.readers).toMatchObject([{ inbox: inbox.key, leaseMs: 5_000, ttlMs: 300_000 }]);
    expect(stream.unwrap().size).toBe(1);
    await inbox.close();
    await inbox.close();
    expect(stream.unwrap().size).toBe(0);
    expect(inbox.isOpen).toBe(false);
  });

  it('may be opened again after a failure', async () => {
    const error = new StreambackConnectionError('UNREACHABLE', 'down');
    stream.connectFailures.push(error);
    await expect(inbox.open()).rejects.toBe(error);
    await inbox.open();
    expect(inbox.isOpen).toBe(true);
  });

  it('tells frames from control', async () => {
    await inbox.open();
    stream.readers[0]!.onItems([
      { field: 'frame', value: frame() },
      { field: 'control', value: cancel('x') },
    ]);
    expect(frames).toMatchObject([{ id: 'r', event: 'response', values: [1] }]);
    expect(controls).toEqual([{ control: 'cancel', id: 'x' }]);
  });

  it('takes the lines of an item each for itself, and none behind one that it cannot read', async () => {
    await inbox.open();
    const { onItems } = stream.readers[0]!;
    const three = ['a', 'b', 'c'].map((id) => encodeControl({ control: 'cancel', id }));
    onItems([{ field: 'control', value: Buffer.from(three.join('\n')) }]);
    expect(controls.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    onItems([
      { field: 'control', value: Buffer.from(['garbage', ...three].join('\n')) },
      { field: 'control', value: Buffer.from(three[1]!) },
    ]);
    expect(controls.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'b']);
    const startedAt = performance.now();
    onItems([{ field: 'frame', value: Buffer.alloc(4_000_000, '\n') }]);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(logger.lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
  });

  it('drops what it cannot read, goes on behind it, and does not let it fill the log', async () => {
    await inbox.open();
    const { onItems } = stream.readers[0]!;
    onItems([
      { field: 'frame', value: Buffer.from('garbage') },
      { field: 'frame', value: frame() },
      { field: 'control', value: Buffer.from('{}') },
      { field: 'control', value: cancel('x') },
    ]);
    expect([frames.length, controls.length]).toEqual([1, 1]);
    for (let count = 2; count < 10_000; count++) onItems([{ field: 'frame', value: Buffer.from([0xff]) }]);
    expect(logger.having('unreadable').map((line) => /\((\d+) so far\)/.exec(line)?.[1])).toEqual(['1', '10', '100', '1000', '10000']);
    expect(logger.lines.join()).not.toContain('garbage');
  });

  it('F1: when it is lost, makes another with another key, and tells', async () => {
    await inbox.open();
    const first = inbox.key;
    stream.readers[0]!.onLost();
    expect(inbox.key).not.toBe(first);
    expect(inbox.isOpen).toBe(false);
    expect(losses).toMatchObject([{ code: 'INBOX_LOST', retryable: true }]);
    await inbox.open();
    expect(inbox.isOpen).toBe(true);
    expect(stream.readers.map((reader) => reader.inbox)).toEqual([first, inbox.key]);
    // The old one has nothing more to say.
    stream.readers[0]!.onLost();
    expect(losses).toHaveLength(1);
  });

  it('is not open with the reader of an inbox that was lost while it was opened', async () => {
    let openFirst = (): void => {};
    stream.opening = new Promise((resolve) => (openFirst = resolve));
    const first = inbox.open();
    await ticks();
    let openSecond = (): void => {};
    stream.opening = new Promise((resolve) => (openSecond = resolve));
    stream.readers[0]!.onLost();
    await ticks();
    expect(stream.readers).toHaveLength(2);
    openFirst();
    await first;
    expect(inbox.isOpen).toBe(false);
    openSecond();
    await inbox.open();
    expect(inbox.isOpen).toBe(true);
  });

  it('logs where the new one cannot be made, and tries again when asked', async () => {
    await inbox.open();
    stream.connectFailures.push(new StreambackConnectionError('UNREACHABLE', 'down'));
    stream.readers[0]!.onLost();
    await ticks();
    expect(logger.having('could not be made')).toHaveLength(1);
    await inbox.open();
    expect(inbox.isOpen).toBe(true);
  });

  it('makes no other when it is closed', async () => {
    await inbox.open();
    await inbox.close();
    stream.readers[0]!.onLost();
    await ticks();
    expect(losses).toEqual([]);
    expect(stream.readers).toHaveLength(1);
  });
});
