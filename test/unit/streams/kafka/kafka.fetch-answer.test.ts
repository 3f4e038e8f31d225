import { describe, expect, it } from 'vitest';
import { toMainStreamMessage } from '../../../../lib/streams/kafka/kafka.delivery';
import { readFetchAnswer } from '../../../../lib/streams/kafka/kafka.fetch-answer';
import type { FetchedRecord } from '../../../../lib/streams/kafka/kafka.fetched-record';
import { Random } from '../../../support/random';
import {
  answerBytes,
  batchBytes,
  type DecodedAnswer,
  type DecodedMessage,
  KafkajsBatch,
  kafkajsDecode,
  messageSetBytes,
  type TestBatch,
  type TestPartition,
  type TestRecord,
} from './kafka.fetch-bytes';

const [APPEND_TIME, TRANSACTIONAL, CONTROL] = [0x08, 0x10, 0x20];
const ABORT_MARK = { offsetDelta: 0, key: Buffer.from([0, 0, 0, 0]), value: Buffer.from([0, 0, 0, 0, 0, 0]) };
const of = (records: Buffer, more: TestPartition = {}): Buffer => answerBytes({ topic: [{ records, ...more }] });
const text = (offsetDelta: number, value = `value ${offsetDelta}`): TestRecord => ({ offsetDelta, key: null, value: Buffer.from(value) });
const batch = (count: number, more: Partial<TestBatch> = {}): Promise<Buffer> =>
  batchBytes({ records: Array.from({ length: count }, (_, i) => text(i)), ...more });

/** A message as its subscriber has it. Headers of one name stay in order; those of different names kafkajs puts in an order of its own. */
function handedOver(message: DecodedMessage) {
  const { headers, ...rest } = toMainStreamMessage('topic', 0, message as never, 1);
  return { ...rest, headers: [...headers].sort(([a], [b]) => (a < b ? -1 : Number(a > b))) };
}

const facts = (message: DecodedMessage) => ({
  ...handedOver(message),
  time: message.timestamp,
  control: message.isControlRecord,
  producerId: message.batchContext.producerId,
  inTransaction: message.batchContext.inTransaction,
});

const withFacts = ({ responses, ...rest }: DecodedAnswer) => ({
  ...rest,
  responses: responses.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.map((each) => ({ ...each, messages: each.messages.map(facts) })),
  })),
});

/** What kafkajs' consumer sees of the first partition, wherever it asked from. */
function seen(answer: DecodedAnswer) {
  const partition = answer.responses[0]!.partitions[0]!;
  const places = partition.messages.flatMap(({ offset }) => [BigInt(offset), BigInt(offset) + 1n]);
  return [0n, ...places].map((from) => {
    const seenFrom = new KafkajsBatch('topic', String(from), partition);
    return [seenFrom.messages.map(({ offset }) => offset), seenFrom.firstOffset(), seenFrom.lastOffset(), seenFrom.isEmptyDueToFiltering()];
  });
}

async function expectSame(bytes: Buffer): Promise<DecodedAnswer> {
  const theirs = await kafkajsDecode(bytes);
  const ours = readFetchAnswer(bytes) as unknown as DecodedAnswer;
  expect(withFacts(ours)).toEqual(withFacts(theirs));
  expect(seen(ours)).toEqual(seen(theirs));
  return ours;
}

describe('an answer is read as kafkajs reads it', () => {
  const random = new Random(7);
  const bytes = (): Buffer => Buffer.from(Array.from({ length: random.below(random.chance(0.1) ? 300 : 20) }, () => random.below(256)));
  const maybe = (): Buffer | null => (random.chance(0.2) ? null : bytes());
  const headers = (): Record<string, Buffer | Buffer[]> =>
    Object.fromEntries(
      ['a', '', '1', '__proto__', 'constructor', 'toString', 'é€'].flatMap((name) =>
        random.chance(0.2) ? [[name, random.chance(0.3) ? [bytes(), bytes()] : bytes()]] : [],
      ),
    );
  const records = (): TestRecord[] => {
    let offsetDelta = -1;
    return Array.from({ length: random.below(6) }, () => ({
      offsetDelta: (offsetDelta += 1 + random.below(random.chance(0.2) ? 100_000 : 2)),
      timestampDelta: random.below(random.chance(0.2) ? 2 ** 40 : 200) - 100,
      key: maybe(),
      value: maybe(),
      ...(random.chance(0.5) && { headers: headers() }),
    }));
  };

  it.each(Array.from({ length: 200 }, (_, i) => i))('made at random: %i', async () => {
    let firstOffset = BigInt(random.below(random.chance(0.3) ? 2 ** 52 : 300));
    const parts: Buffer[] = [];
    for (let count = random.below(4); count >= 0; count--) {
      const made = records();
      const attributes = random.pick([0, 0, APPEND_TIME, TRANSACTIONAL, CONTROL | TRANSACTIONAL]);
      const times = { firstTimestamp: random.below(2 ** 42) - 1, maxTimestamp: random.below(2 ** 42) };
      parts.push(await batchBytes({ records: made, firstOffset, attributes, ...times, producerId: random.below(4) - 1 }));
      firstOffset += BigInt((made.at(-1)?.offsetDelta ?? 0) + 1 + random.below(5));
    }
    const whole = Buffer.concat(parts);
    const cut = random.chance(0.5) ? whole : whole.subarray(0, Math.max(17, whole.length - random.below(120)));
    const aborted = random.chance(0.5) ? undefined : [{ producerId: BigInt(random.below(3)), firstOffset: firstOffset - 3n }];
    await expectSame(of(cut, { highWatermark: firstOffset, aborted }));
  });

  it('without topics, partitions or records, and with all that goes round them', async () => {
    expect(readFetchAnswer(answerBytes({}))).toEqual(await kafkajsDecode(answerBytes({})));
    const answer = answerBytes(
      { topic: [{}, { partition: 3, errorCode: 1, highWatermark: -1n }], tópico: [{ records: await batch(2), aborted: [] }], none: [] },
      { throttle: 30, errorCode: 70 },
    );
    await expectSame(answer);
    expect(readFetchAnswer(answer)).toMatchObject({ throttleTime: 0, clientSideThrottleTime: 30, errorCode: 70, sessionId: 7 });
  });

  it('without what belongs to a transaction that was given up', async () => {
    const part = (firstOffset: bigint, producerId: number): Promise<Buffer> => batch(2, { firstOffset, producerId, transactional: true });
    const mark = await batchBytes({ records: [ABORT_MARK], firstOffset: 6n, producerId: 5, attributes: CONTROL | TRANSACTIONAL });
    const kept = await part(7n, 5);
    const log = Buffer.concat([await part(0n, 4), await part(2n, 5), await part(4n, 4), mark, kept]);
    const answer = await expectSame(of(log, { aborted: [{ producerId: 5n, firstOffset: 2n }] }));
    const { messages } = new KafkajsBatch('topic', '0', answer.responses[0]!.partitions[0]);
    expect(messages.map(({ offset }) => Number(offset))).toEqual([0, 1, 4, 5, 7, 8]);
  });

  it('with batches that were cut off, wherever', async () => {
    const log = Buffer.concat([await batch(2), await batch(2, { firstOffset: 2n })]);
    for (let length = 17; length <= log.length; length++) await expectSame(of(log.subarray(0, length)));
  });

  it('with a size that is beyond the answer, or below zero', async () => {
    await expectSame(of(await batch(2), { size: 10_000 }));
    await expectSame(of(Buffer.alloc(0), { size: -1 }));
  });

  it('with offsets up to 2^53', async () => {
    await expectSame(of(await batch(3, { firstOffset: 2n ** 53n - 4n })));
  });

  it('with a header that has no value', async () => {
    const log = await batchBytes({ records: [{ ...text(0), headers: { name: '' } }] });
    log.writeUInt8(1, log.length - 1);
    const answer = await expectSame(of(log));
    expect(handedOver(answer.responses[0]!.partitions[0]!.messages[0]!).headers).toEqual([['name', Buffer.alloc(0)]]);
  });

  it('with what kafkajs has as text and as an object', async () => {
    const headers = { a: 'x', twice: [Buffer.from('1'), Buffer.from('2'), Buffer.from('3')] };
    const bytes = of(await batchBytes({ records: [{ ...text(0), headers }], firstOffset: 9n, firstTimestamp: 1_000 }));
    const [ours, theirs] = [readFetchAnswer(bytes) as unknown as DecodedAnswer, await kafkajsDecode(bytes)].map(
      ({ responses }) => responses[0]!.partitions[0]!.messages[0]!,
    );
    expect(ours!.headers).toEqual(theirs!.headers);
    expect([ours!.offset, ours!.timestamp]).toEqual(['9', '1000']);
  });
});

describe('its list of records', () => {
  const list = async (log: Buffer): Promise<readonly FetchedRecord[]> => readFetchAnswer(of(log))!.responses[0]!.partitions[0]!.messages;

  it('is asked by one look, and copied, where offsets ascend', async () => {
    const records = await list(await batch(5));
    let asked = 0;
    const found = records.filter(() => ++asked);
    expect([asked, found]).toEqual([1, [...records]]);
    expect(found).not.toBe(records);
    expect(records.filter(({ place }) => place >= 3).map(({ place }) => place)).toEqual([3, 4]);
    expect(found.filter(({ place }) => place % 2 === 0)).toHaveLength(3);
  });

  it('is asked one by one where they do not', async () => {
    const records = await list(Buffer.concat([await batch(2, { firstOffset: 5n }), await batch(2)]));
    expect(records.filter(({ place }) => place >= 5)).toHaveLength(2);
  });
});

describe('what is left to kafkajs', () => {
  it.each<[string, () => Promise<Buffer> | Buffer]>([
    ['compressed batches', () => batch(2, { compression: 1 })],
    ['one among others', async () => Buffer.concat([await batch(2), await batch(2, { firstOffset: 2n, compression: 1 })])],
    ['codecs that kafkajs has not', async () => batch(2, { attributes: 4 })],
    ['messages of older formats', () => messageSetBytes([{ key: 'k', value: 'v' }])],
    ['less than a batch is told by', async () => (await batch(1)).subarray(0, 16)],
    ['offsets beyond 2^53', () => batch(2, { firstOffset: 2n ** 53n })],
    ['offsets that come to more than 2^53', () => batchBytes({ records: [text(10)], firstOffset: 2n ** 53n - 5n })],
    ['times beyond 2^53', () => batchBytes({ records: [{ ...text(0), timestampDelta: 2 ** 54 }] })],
  ])('%s', async (_, log) => {
    expect(readFetchAnswer(of(await log()))).toBeUndefined();
  });

  it('numbers of the answer itself beyond 2^53', () => {
    expect(readFetchAnswer(answerBytes({ topic: [{ highWatermark: 2n ** 60n }] }))).toBeUndefined();
    expect(readFetchAnswer(answerBytes({ topic: [{ aborted: [{ producerId: 2n ** 60n, firstOffset: 1n }] }] }))).toBeUndefined();
  });
});

describe('bytes that lie', () => {
  const RECORDS_AT = 61;
  const lying = async (change: (log: Buffer) => void, records = [text(0), text(1)]): Promise<Buffer> => {
    const log = await batchBytes({ records });
    change(log);
    return of(log);
  };
  const MALFORMED = /malformed/;

  it.each<[string, (log: Buffer) => void]>([
    ['a batch of no length', (log) => log.writeInt32BE(0, 8)],
    ['a batch of less than none', (log) => log.writeInt32BE(-100, 8)],
    ['as many records as can be counted', (log) => log.writeInt32BE(2 ** 31 - 1, 57)],
    ['fewer records than none', (log) => log.writeInt32BE(-7, 57)],
    ['a record beyond its batch', (log) => log.writeUInt8(0x7e, RECORDS_AT)],
    ['a record of no length', (log) => log.writeUInt8(0, RECORDS_AT)],
    ['a record of less than none', (log) => log.writeUInt8(9, RECORDS_AT)],
    ['a key beyond its record', (log) => log.writeUInt8(0x7e, RECORDS_AT + 4)],
    ['a key of less than none', (log) => log.writeUInt8(9, RECORDS_AT + 4)],
    ['a value beyond its record', (log) => log.writeUInt8(0x7e, RECORDS_AT + 5)],
    ['more headers than bytes', (log) => log.writeUInt8(4, RECORDS_AT + 13)],
    ['fewer headers than none', (log) => log.writeUInt8(9, RECORDS_AT + 13)],
    ['a number without an end', (log) => log.fill(0xff, RECORDS_AT + 2)],
    ['nothing but numbers without an end', (log) => log.fill(0xff, RECORDS_AT)],
  ])('%s', async (_, change) => {
    const bytes = await lying(change);
    expect(() => readFetchAnswer(bytes)).toThrow(MALFORMED);
  });

  it('as many headers as can be counted: kafkajs would read them all', async () => {
    const name = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]);
    const bytes = await lying((log) => name.copy(log, RECORDS_AT + 13), [text(0), text(1, 'a longer value')]);
    expect(() => readFetchAnswer(bytes)).toThrow(MALFORMED);
  });

  it('anything, anywhere: it is read or refused, in no time', async () => {
    const random = new Random(3);
    const log = Buffer.concat([await batch(20), await batch(20, { firstOffset: 20n })]);
    const began = performance.now();
    for (let round = 0; round < 3_000; round++) {
      const bytes = of(log);
      for (let count = 1 + random.below(3); count > 0; count--) bytes[random.below(bytes.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff]);
      try {
        readFetchAnswer(bytes.subarray(0, random.chance(0.3) ? random.below(bytes.length) : bytes.length));
      } catch (error) {
        expect(error).toSatisfy((each) => each instanceof RangeError || MALFORMED.test(String(each)));
      }
    }
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it('cut off anywhere before the records, it is refused as kafkajs refuses it', async () => {
    const bytes = answerBytes({ topic: [{ aborted: [{ producerId: 1n, firstOffset: 2n }] }] });
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      await expect(kafkajsDecode(cut)).rejects.toThrow();
      expect(() => readFetchAnswer(cut)).toThrow();
    }
  });

  it.each([
    ['topics', 10],
    ['partitions', 21],
    ['transactions', 21 + 4 + 4 + 2 + 24],
  ])('as many %s as can be counted, or fewer than none', async (_, at) => {
    for (const count of [2 ** 31 - 1, -2]) {
      const bytes = of(await batch(1));
      bytes.writeInt32BE(count, at);
      expect(() => readFetchAnswer(bytes)).toThrow();
    }
  });
});
