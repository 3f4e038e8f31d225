import { expect, it } from 'vitest';
import { readFetches } from '../../../../lib/streams/kafka/kafka.fetch-decoding';
import { FetchedRecord } from '../../../../lib/streams/kafka/kafka.fetched-record';
import type { ConnectionPool, ProtocolRequest } from '../../../../lib/streams/kafka/kafka.join-connection';
import { answerBytes, batchBytes, type DecodedAnswer, kafkajsDecode, kafkajsParse } from './kafka.fetch-bytes';

const [FETCH, PRODUCE] = [1, 0];
const RECORDS = [{ offsetDelta: 0, key: null, value: Buffer.from('value') }];

/** kafkajs' connections, which answer with `bytes`. */
function connections(bytes: Buffer): ConnectionPool {
  return {
    send: async ({ response }: ProtocolRequest) => {
      const { decode, parse } = response as { decode: (payload: Buffer) => Promise<unknown>; parse: (answer: unknown) => Promise<unknown> };
      return parse(await decode(bytes));
    },
    getConnection: () => Promise.reject(new Error('not needed')),
  };
}

async function fetched(bytes: Buffer, request: ProtocolRequest['request'] = { apiKey: FETCH, apiVersion: 11 }) {
  const pool = connections(bytes);
  readFetches(pool);
  const { send } = pool;
  readFetches(pool);
  expect(pool.send, 'is wrapped once').toBe(send);
  let theirs = 0;
  const decode = (payload: Buffer): Promise<unknown> => (theirs++, kafkajsDecode(payload));
  const answer = (await pool.send({ request, response: { decode, parse: kafkajsParse } as never })) as DecodedAnswer;
  return { message: answer.responses[0]!.partitions[0]!.messages[0]!, theirs };
}

const answer = async (compression: number): Promise<Buffer> =>
  answerBytes({ topic: [{ records: await batchBytes({ records: RECORDS, compression }) }] });

it('reads the answers to fetches, and nothing else of a fetch', async () => {
  const { message, theirs } = await fetched(await answer(0));
  expect([message instanceof FetchedRecord, String(message.value), theirs]).toEqual([true, 'value', 0]);
});

it('leaves to kafkajs what it does not understand', async () => {
  const { message, theirs } = await fetched(await answer(1));
  expect([message instanceof FetchedRecord, String(message.value), theirs]).toEqual([false, 'value', 1]);
});

it.each([
  ['fetches of another version', { apiKey: FETCH, apiVersion: 12 }],
  ['other requests', { apiKey: PRODUCE, apiVersion: 11 }],
])('leaves to kafkajs %s', async (_, request) => {
  const { message, theirs } = await fetched(await answer(0), request);
  expect([message instanceof FetchedRecord, theirs]).toEqual([false, 1]);
});

it('leaves it to kafkajs to say what the broker refuses', async () => {
  const refused = answerBytes({ topic: [{ errorCode: 1, highWatermark: -1n }] });
  await expect(fetched(refused)).rejects.toMatchObject({ name: 'KafkaJSOffsetOutOfRange', topic: 'topic', partition: 0 });
});
