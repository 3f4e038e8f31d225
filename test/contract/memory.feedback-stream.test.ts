import { describe, expect, it } from 'vitest';
import { feedbackTopicOf, newId, newInbox } from '../../lib/protocol/keys';
import { MemoryFeedbackStream } from '../../lib/streams/memory/memory.feedback-stream';
import { testFeedbackStream } from '../../lib/testing/feedback-stream.contract';

testFeedbackStream({ name: 'memory', create: async () => ({ stream: new MemoryFeedbackStream('contract') }), runner: { describe, it } });

describe('memory feedback stream', () => {
  it('streams of another name are other streams', async () => {
    const [one, other] = [new MemoryFeedbackStream('one'), new MemoryFeedbackStream('other')];
    const inbox = newInbox();
    await one.openReader({ inbox, ttlMs: 1_000, leaseMs: 1_000, onItems: () => {}, onLost: () => {} });
    expect(await other.write(inbox, [{ field: 'frame', value: Buffer.from('x') }])).toBe('gone');
    await Promise.all([one.close(), other.close()]);
  });

  it('frees what it holds when the last of a name closes', async () => {
    const [one, two] = [new MemoryFeedbackStream('shared'), new MemoryFeedbackStream('shared')];
    const store = one.unwrap();
    await one.openReader({ inbox: newInbox(), ttlMs: 1_000, leaseMs: 1_000, onItems: () => {}, onLost: () => {} });
    await one.writeList(feedbackTopicOf(newId()), [Buffer.from('x')], 60_000);
    await one.close();
    expect(two.unwrap()).toBe(store);
    expect(store.size).toBe(1);
    await two.close();
    expect(store.size).toBe(0);
    const three = new MemoryFeedbackStream('shared');
    expect(three.unwrap()).not.toBe(store);
    await three.close();
  });
});
