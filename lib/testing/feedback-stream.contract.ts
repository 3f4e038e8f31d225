import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { StreambackConnectionError } from '../common/errors';
import { feedbackTopicOf, newId, newInbox } from '../protocol/keys';
import type { FeedbackStream, InboxItem, InboxReaderOptions } from '../streams/feedback-stream';
import { listContract } from './feedback-lists.contract';
import { Collected, collectItems, control, frame, until, type ContractRunner, type CreatedFeedbackStream } from './feedback-stream.probe';
import { scheduleContract } from './schedules.contract';

export interface FeedbackStreamContractOptions {
  /** The system under test, for titles. */
  readonly name: string;
  /**
   * Makes a stream that is not connected yet. Called several times within a test, it gives several streams of one server.
   * `close` frees what the suite does not: it closes the streams itself.
   */
  readonly create: () => Promise<CreatedFeedbackStream>;
  /** @default the `describe` and `it` that the test runner puts in the global scope */
  readonly runner?: ContractRunner;
}

const LIVES = { ttlMs: 60_000, leaseMs: 5_000 };

/** Holds a FeedbackStream to its contract, gated by the capabilities that it declares, and by whether it has `schedules`. Titles name the promises (F1-F7). */
export function testFeedbackStream({ name, create, runner }: FeedbackStreamContractOptions): void {
  const { describe, it } = runner ?? (globalThis as unknown as ContractRunner);

  /** Runs `body` with so many connected streams, and frees all of them. */
  const withStreams = (count: number, body: (...streams: FeedbackStream[]) => Promise<void>) => async (): Promise<void> => {
    const created: CreatedFeedbackStream[] = [];
    try {
      for (let index = 0; index < count; index += 1) {
        const one = await create();
        created.push(one);
        await one.stream.connect();
      }
      await body(...created.map(({ stream }) => stream));
    } finally {
      for (const { stream, close } of created) {
        await stream.close();
        await close?.();
      }
    }
  };

  const open = async (stream: FeedbackStream, options: Partial<InboxReaderOptions> = {}) => {
    const inbox = options.inbox ?? newInbox();
    const collected = collectItems();
    let lost = 0;
    const reader = await stream.openReader({ ...LIVES, inbox, onItems: collected.onItems, onLost: () => (lost += 1), ...options });
    return { inbox, reader, collected, lost: () => lost };
  };

  describe(`feedback stream: ${name}`, () => {
    it(
      'F1: hands over 10,000 items of many writes in order, each once',
      withStreams(2, async (writer, reading) => {
        const { inbox, collected } = await open(reading);
        const writes: Promise<string>[] = [];
        for (let index = 0; index < 10_000;) {
          const batch: InboxItem[] = [];
          for (let size = 1 + (index % 97); size > 0 && index < 10_000; size -= 1, index += 1) batch.push(frame(String(index)));
          writes.push(writer.write(inbox, batch));
        }
        const results = await Promise.all(writes);
        assert.deepEqual([...new Set(results)], ['written']);
        await collected.untilCount(10_000);
        assert.deepEqual(
          collected.texts(),
          Array.from({ length: 10_000 }, (_, index) => String(index)),
        );
      }),
    );

    it(
      'F1: keeps the order of one write that is too large for one step',
      withStreams(2, async (writer, reading) => {
        const { inbox, collected } = await open(reading);
        const items = Array.from({ length: 2_000 }, (_, index) => frame(`${index}:${'x'.repeat(2_000)}`));
        const written = Promise.all([writer.write(inbox, items), writer.write(inbox, [frame('after')])]);
        assert.deepEqual(await written, ['written', 'written']);
        await collected.untilCount(2_001);
        assert.deepEqual(
          collected.texts().map((text) => text.split(':')[0]),
          [...items.keys(), 'after'].map(String),
        );
      }),
    );

    it(
      'tells frames from control, and keeps their order',
      withStreams(1, async (stream) => {
        const { inbox, collected } = await open(stream);
        await stream.write(inbox, [frame('a'), control('b'), frame('c'), control('d')]);
        await collected.untilCount(4);
        assert.deepEqual(
          collected.items.map(({ field, value }) => `${field}:${String(value)}`),
          ['frame:a', 'control:b', 'frame:c', 'control:d'],
        );
      }),
    );

    it(
      'carries every byte as it is, nothing and megabytes included',
      withStreams(2, async (writer, reading) => {
        const { inbox, collected } = await open(reading);
        const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
        const values = [all, Buffer.alloc(0), Buffer.from('\r\n$3\r\n'), Buffer.from([0xff, 0xfe, 0xc0]), Buffer.alloc(3_000_000, 7)];
        await writer.write(
          inbox,
          values.map((value) => ({ field: 'frame', value })),
        );
        await collected.untilCount(values.length);
        values.forEach((value, index) => assert.ok(value.equals(collected.items[index]!.value), `value ${index}`));
      }),
    );

    it(
      'copies: what was written over once it was stored arrives as it was',
      withStreams(2, async (writer, reading) => {
        const { copies, lists } = writer.capabilities;
        if (!copies) return;
        const { inbox, collected } = await open(reading);
        const [value, listed] = [Buffer.alloc(2_000_000, 'a'), Buffer.alloc(2_000_000, 'a')];
        await writer.write(inbox, [{ field: 'frame', value }]);
        const feedbackTopic = feedbackTopicOf(newId());
        if (lists) await writer.writeList!(feedbackTopic, [listed], LIVES.ttlMs);
        for (const each of [value, listed]) each.fill('b');
        await collected.untilCount(1);
        assert.ok(collected.items[0]!.value.equals(Buffer.alloc(2_000_000, 'a')));
        if (!lists) return;
        const frames = new Collected<Buffer>();
        await reading.openListReader!({ feedbackTopic, onFrames: frames.take, onUncertain: () => {} });
        await frames.untilCount(1);
        assert.ok(frames.all[0]!.equals(Buffer.alloc(2_000_000, 'a')));
      }),
    );

    it(
      'writing nothing is no error',
      withStreams(1, async (stream) => {
        const { inbox, collected } = await open(stream);
        assert.equal(await stream.write(inbox, []), 'written');
        await stream.write(inbox, [frame('x')]);
        await collected.untilCount(1);
        assert.deepEqual(collected.texts(), ['x']);
      }),
    );

    it(
      'receives what is written as soon as openReader has resolved',
      withStreams(2, async (writer, reading) => {
        for (let round = 0; round < 20; round += 1) {
          const { inbox, reader, collected } = await open(reading);
          assert.equal(await writer.write(inbox, [frame('first')]), 'written');
          await collected.untilCount(1);
          await reader.close();
        }
      }),
    );

    it(
      'F3: says gone of an unknown inbox, and does not create it',
      withStreams(2, async (writer, reading) => {
        const inbox = newInbox();
        assert.equal(await writer.write(inbox, [frame('lost')]), 'gone');
        assert.equal(await writer.write(inbox, [frame('lost')]), 'gone', 'the first write did not create it');
        const { collected } = await open(reading, { inbox });
        await writer.write(inbox, [frame('kept')]);
        await collected.untilCount(1);
        assert.deepEqual(collected.texts(), ['kept']);
      }),
    );

    it(
      'F3: says gone of an inbox that was closed, and hands over nothing more',
      withStreams(2, async (writer, reading) => {
        const { inbox, reader, collected, lost } = await open(reading);
        await writer.write(inbox, [frame('a')]);
        await collected.untilCount(1);
        await reader.close();
        await reader.close();
        assert.equal(await writer.write(inbox, [frame('b')]), 'gone');
        assert.equal(collected.items.length, 1);
        assert.equal(lost(), 0, 'a closed inbox is not a lost one');
      }),
    );

    it(
      'keeps many inboxes apart',
      withStreams(2, async (writer, reading) => {
        const readers = await Promise.all(Array.from({ length: 20 }, () => open(reading)));
        const writes: Promise<string>[] = [];
        for (let index = 0; index < 100; index += 1) {
          for (const { inbox } of readers) writes.push(writer.write(inbox, [frame(`${inbox} ${index}`)]));
        }
        await Promise.all(writes);
        for (const { inbox, collected } of readers) {
          await collected.untilCount(100);
          assert.deepEqual(
            collected.texts(),
            Array.from({ length: 100 }, (_, index) => `${inbox} ${index}`),
          );
        }
      }),
    );

    it(
      'F3: keeps an inbox alive beyond its ttl while it is open',
      withStreams(2, async (writer, reading) => {
        const { inbox, collected } = await open(reading, { ttlMs: 450, leaseMs: 450 });
        await pause(1_500);
        assert.equal(await writer.write(inbox, [frame('still here')]), 'written');
        await collected.untilCount(1);
        assert.ok((await writer.alive([inbox], 450)).has(inbox));
      }),
    );

    it(
      'F2: alive names live inboxes, and neither closed nor unknown ones',
      withStreams(2, async (writer, reading) => {
        const leaseMs = 300;
        const [kept, closed] = [await open(reading, { leaseMs }), await open(reading, { leaseMs })];
        await closed.reader.close();
        const unknown = newInbox();
        await writer.connect();
        await until('the observer is connected', async () => !(await writer.alive([unknown], leaseMs)).has(unknown));
        assert.deepEqual([...(await writer.alive([unknown, kept.inbox, closed.inbox], leaseMs))], [kept.inbox]);
        assert.deepEqual([...(await writer.alive([], leaseMs))], []);
      }),
    );

    it(
      'F6: tells which requests are not wanted any more, of few and of many',
      withStreams(2, async (client, consumer) => {
        const ids = Array.from({ length: 500 }, () => newId());
        assert.deepEqual([...(await consumer.cancelled([]))], []);
        assert.deepEqual([...(await consumer.cancelled(ids))], []);
        const unwanted = ids.filter((_id, index) => index % 50 === 7);
        await client.cancel(unwanted, 60_000);
        assert.deepEqual([...(await consumer.cancelled(ids))].sort(), [...unwanted].sort());
        assert.deepEqual([...(await consumer.cancelled(unwanted.slice(0, 1)))], unwanted.slice(0, 1));
      }),
    );

    it('tells its status at once, and when it is closed', async () => {
      const { stream, close } = await create();
      await stream.connect();
      await stream.connect();
      const seen: string[] = [];
      const ended: string[] = [];
      stream.onStatus((status) => void seen.push(status));
      stream.onStatus((status) => void ended.push(status))();
      assert.deepEqual(seen, ['connected']);
      await stream.close();
      await close?.();
      assert.deepEqual(seen, ['connected', 'disconnected']);
      assert.deepEqual(ended, ['connected']);
    });

    it('refuses everything after close, which may come twice', async () => {
      const { stream, close } = await create();
      await stream.connect();
      const { inbox } = await open(stream);
      await stream.close();
      await stream.close();
      const closed = (error: unknown): boolean => error instanceof StreambackConnectionError && error.code === 'CLOSED';
      await assert.rejects(stream.connect(), closed);
      await assert.rejects(stream.write(inbox, [frame('x')]), closed);
      await assert.rejects(open(stream), closed);
      if (stream.writeList)
        await assert.rejects(stream.writeList(`streamback_feedback_${randomUUID()}`, [Buffer.from('x')], 1_000), closed);
      await close?.();
    });

    it(
      'stores what was handed over before close',
      withStreams(1, async (reading) => {
        const { inbox, collected } = await open(reading);
        const { stream: writer, close } = await create();
        await writer.connect();
        const writes = Array.from({ length: 100 }, (_, index) => writer.write(inbox, [frame(String(index))]));
        await writer.close();
        await close?.();
        assert.deepEqual([...new Set(await Promise.all(writes))], ['written']);
        await collected.untilCount(100);
        assert.deepEqual(
          collected.texts(),
          Array.from({ length: 100 }, (_, index) => String(index)),
        );
      }),
    );

    listContract(withStreams, it);
    scheduleContract(withStreams, it);
  });
}
