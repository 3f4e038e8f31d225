import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { feedbackTopicOf, newId } from '../protocol/keys';
import type { FeedbackStream } from '../streams/feedback-stream';
import { Collected, until, type ContractRunner } from './feedback-stream.probe';

type WithStreams = (count: number, body: (...streams: FeedbackStream[]) => Promise<void>) => () => Promise<void>;

const buffers = (texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));
const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

/** The part of the feedback contract that holds where `capabilities.lists` is declared. */
export function listContract(withStreams: WithStreams, it: ContractRunner['it']): void {
  /** A test that holds of streams with lists, and is empty for others: capabilities are known only once a stream is made. */
  const itOfLists = (title: string, count: number, body: (...streams: FeedbackStream[]) => Promise<void>): unknown =>
    it(
      `lists: ${title}`,
      withStreams(count, async (...streams) => {
        const { lists } = streams[0]!.capabilities;
        assert.equal(typeof streams[0]!.writeList, lists ? 'function' : 'undefined', 'declared and there');
        assert.equal(typeof streams[0]!.openListReader, lists ? 'function' : 'undefined', 'declared and there');
        if (lists) await body(...streams);
      }),
    );

  const open = async (stream: FeedbackStream, feedbackTopic = feedbackTopicOf(newId())) => {
    const collected = new Collected<Buffer>();
    let uncertain = 0;
    const reader = await stream.openListReader!({ feedbackTopic, onFrames: collected.take, onUncertain: () => (uncertain += 1) });
    return { feedbackTopic, collected, reader, uncertain: () => uncertain, texts: () => collected.all.map(String) };
  };

  itOfLists('F1: frames of many writes come in order, each once', 2, async (writer, reading) => {
    const { feedbackTopic, collected, texts, uncertain } = await open(reading);
    const writes: Promise<void>[] = [];
    for (let index = 0; index < 5_000; index += 50) {
      writes.push(writer.writeList!(feedbackTopic, buffers(Array.from({ length: 50 }, (_, at) => String(index + at))), 60_000));
    }
    await Promise.all(writes);
    await collected.untilCount(5_000);
    assert.deepEqual(texts(), numbers(5_000));
    assert.equal(uncertain(), 0);
  });

  itOfLists('F1: what was written before the reader opened comes first', 2, async (writer, reading) => {
    const feedbackTopic = feedbackTopicOf(newId());
    await writer.writeList!(feedbackTopic, buffers(['0', '1']), 60_000);
    const { collected, texts } = await open(reading, feedbackTopic);
    await writer.writeList!(feedbackTopic, buffers(['2']), 60_000);
    await collected.untilCount(3);
    assert.deepEqual(texts(), ['0', '1', '2']);
  });

  itOfLists('carry every byte as it is', 2, async (writer, reading) => {
    const { feedbackTopic, collected } = await open(reading);
    const values = [Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), Buffer.alloc(0), Buffer.alloc(2_000_000, 9)];
    await writer.writeList!(feedbackTopic, values, 60_000);
    await collected.untilCount(values.length);
    values.forEach((value, index) => assert.ok(value.equals(collected.all[index]!), `value ${index}`));
  });

  itOfLists('F3: a list expires after its last frame', 2, async (writer, reading) => {
    const [expired, kept] = [feedbackTopicOf(newId()), feedbackTopicOf(newId())];
    await writer.writeList!(expired, buffers(['old']), 100);
    await writer.writeList!(kept, buffers(['first']), 100);
    await writer.writeList!(kept, buffers(['second']), 60_000);
    await pause(300);
    const [first, second] = [await open(reading, expired), await open(reading, kept)];
    await second.collected.untilCount(2);
    await writer.writeList!(expired, buffers(['new']), 60_000);
    await first.collected.untilCount(1);
    assert.deepEqual([first.texts(), second.texts()], [['new'], ['first', 'second']]);
  });

  itOfLists('many are read at once, opened while others wait', 2, async (writer, reading) => {
    const readers = [];
    for (let index = 0; index < 30; index += 1) {
      const reader = await open(reading);
      readers.push(reader);
      await writer.writeList!(reader.feedbackTopic, buffers([reader.feedbackTopic]), 60_000);
      await reader.collected.untilCount(1);
    }
    await Promise.all(readers.map(({ feedbackTopic }) => writer.writeList!(feedbackTopic, buffers(['end']), 60_000)));
    for (const { collected, feedbackTopic, texts } of readers) {
      await collected.untilCount(2);
      assert.deepEqual(texts(), [feedbackTopic, 'end']);
    }
  });

  itOfLists('thousands are read at once, each its own', 2, async (writer, reading) => {
    const readers = await Promise.all(Array.from({ length: 2_000 }, () => open(reading)));
    const frames = [0, 1, 2].map((index) => (topic: string) => buffers([`${topic} ${index}`]));
    for (const frame of frames) {
      await Promise.all(readers.map(({ feedbackTopic }) => writer.writeList!(feedbackTopic, frame(feedbackTopic), 60_000)));
    }
    await until('all came', () => readers.every(({ collected }) => collected.all.length >= 3));
    for (const { feedbackTopic, texts } of readers) {
      assert.deepEqual(
        texts(),
        [0, 1, 2].map((index) => `${feedbackTopic} ${index}`),
      );
    }
    await Promise.all(readers.map(({ reader }) => reader.close()));
  });

  itOfLists('which of them hold frames can be asked', 2, async (writer, reading) => {
    const [filled, taken, missing] = [feedbackTopicOf(newId()), feedbackTopicOf(newId()), feedbackTopicOf(newId())];
    if (!reading.filledLists) return;
    await Promise.all([filled, taken].map((topic) => writer.writeList!(topic, buffers(['x']), 60_000)));
    const { collected } = await open(reading, taken);
    await collected.untilCount(1);
    assert.deepEqual([...(await reading.filledLists([filled, taken, missing]))], [filled]);
    assert.deepEqual([...(await reading.filledLists([]))], []);
  });

  itOfLists('a reader that opens is served soon, though others wait', 2, async (writer, reading) => {
    await open(reading);
    const feedbackTopic = feedbackTopicOf(newId());
    await writer.writeList!(feedbackTopic, buffers(['x']), 60_000);
    const startedAt = performance.now();
    const { collected } = await open(reading, feedbackTopic);
    await collected.untilCount(1);
    assert.ok(performance.now() - startedAt < 1_000, `after ${performance.now() - startedAt} ms`);
  });

  itOfLists('two readers of one list share its frames', 3, async (writer, one, other) => {
    const first = await open(one);
    const second = await open(other, first.feedbackTopic);
    for (let index = 0; index < 200; index += 1) await writer.writeList!(first.feedbackTopic, buffers([String(index)]), 60_000);
    await until('every frame came', () => first.texts().length + second.texts().length >= 200);
    assert.deepEqual(
      [...first.texts(), ...second.texts()].toSorted((a, b) => Number(a) - Number(b)),
      numbers(200),
    );
  });

  itOfLists('a closed reader takes nothing from those after it', 3, async (writer, one, other) => {
    const first = await open(one);
    await first.reader.close();
    await first.reader.close();
    const second = await open(other, first.feedbackTopic);
    for (const text of ['0', '1', '2']) await writer.writeList!(first.feedbackTopic, buffers([text]), 60_000);
    await second.collected.untilCount(3);
    assert.deepEqual([first.texts(), second.texts()], [[], ['0', '1', '2']]);
  });

  itOfLists('what comes while a reader closes is not lost for those after it', 3, async (writer, one, other) => {
    for (let round = 0; round < 20; round += 1) {
      const first = await open(one);
      const written = writer.writeList!(first.feedbackTopic, buffers(['0', '1', '2']), 60_000);
      await Promise.all([first.reader.close(), written]);
      const taken = first.texts();
      const second = await open(other, first.feedbackTopic);
      await second.collected.untilCount(3 - taken.length);
      assert.deepEqual([...taken, ...second.texts()], ['0', '1', '2']);
      await second.reader.close();
    }
  });
}
