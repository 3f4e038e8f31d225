import { createRequire } from 'node:module';
import { Kafka, type Message } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeProduce, type MessageRun, ProduceEncoding, runsOf } from '../../../../lib/streams/kafka/kafka.produce-encoding';
import { Random } from '../../../support/random';

interface Request {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly encode: () => Promise<unknown>;
}
interface Produce {
  (args: object): { request: Request; response: unknown };
}

const load = createRequire(__filename);
const produce = load('kafkajs/src/protocol/requests/produce') as { protocol: (of: { version: number }) => Produce };
const frame = load('kafkajs/src/protocol/request') as (of: object) => Promise<{ buffer: Buffer }>;

/** What goes over the wire, put together by kafkajs. */
const bytesOf = async (request: Pick<Request, 'encode'>): Promise<Buffer> =>
  (await frame({ correlationId: 7, clientId: 'me', request: { apiKey: 0, apiVersion: 7, ...request } })).buffer;

/** What kafkajs is given by its own producer where nothing is special. */
const plain = (topicData: object[], more: object = {}) => ({
  acks: -1,
  timeout: 30_000,
  producerId: -1,
  producerEpoch: 0,
  transactionalId: undefined,
  compression: 0,
  topicData,
  ...more,
});

const ownBytes = (topicData: object[], acks = -1): Promise<Buffer> =>
  bytesOf({
    encode: () => {
      const buffer = encodeProduce(acks, 30_000, topicData as never, Buffer.alloc)!;
      return Promise.resolve({ buf: buffer, buffer });
    },
  });
const kafkajsBytes = (topicData: object[], acks = -1): Promise<Buffer> =>
  bytesOf(produce.protocol({ version: 7 })(plain(topicData, { acks })).request);

const one = (messages: object[], partition: number | string = 0, topic = 'topic') => [
  { topic, partitions: [{ partition, firstSequence: 0, messages }] },
];
const value = Buffer.from('value');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_234_567_890_123 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the bytes of a request are those of kafkajs', () => {
  it.each<[string, object[]]>([
    ['a value', [{ value }]],
    ['a null value', [{ value: null }]],
    ['an empty value', [{ value: Buffer.alloc(0) }]],
    ['a key', [{ key: Buffer.from('clé'), value }]],
    ['a null key', [{ key: null, value }]],
    ['an empty key', [{ key: Buffer.alloc(0), value }]],
    ['no headers', [{ value, headers: {} }]],
    ['headers', [{ value, headers: { a: Buffer.from('1'), 'ключ 🔑': Buffer.from('2'), '': Buffer.alloc(0) } }]],
    ['a header several times', [{ value, headers: { b: [Buffer.from('1'), Buffer.from('2')], 7: Buffer.from('x'), a: [] } }]],
    ['a header without a prototype', [{ value, headers: Object.assign(Object.create(null) as object, { ['__proto__']: value }) }]],
    ['many headers', [{ value, headers: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`h${i}`, value])) }]],
    [
      'lengths around those where their own length changes',
      [62, 63, 64, 65, 8_190, 8_191, 8_192].map((n) => ({ value: Buffer.alloc(n, n) })),
    ],
    ['a large value', [{ key: Buffer.alloc(70), value: Buffer.alloc(1_100_000, 'large ä') }]],
    ['many messages', Array.from({ length: 9_000 }, (_, i) => ({ value: Buffer.from(`${i}`) }))],
  ])('%s', async (_, messages) => {
    expect((await ownBytes(one(messages))).equals(await kafkajsBytes(one(messages)))).toBe(true);
  });

  it('the partition as kafkajs has it, a name with other letters, and other acknowledgements', async () => {
    const data = one([{ value }], '12', 'tøpic');
    expect(await ownBytes(data, 1)).toEqual(await kafkajsBytes(data, 1));
    expect(await ownBytes(data, 0)).toEqual(await kafkajsBytes(data, 0));
  });

  it('whatever is in it: topics, partitions and messages of all kinds', async () => {
    const random = new Random(42);
    const bytes = (upTo: number) => Buffer.from(Array.from({ length: random.below(upTo) }, () => random.below(256)));
    const list = <T>(upTo: number, make: (i: number) => T): T[] => Array.from({ length: 1 + random.below(upTo) }, (_, i) => make(i));
    const blockOrNull = (upTo: number) => (random.chance(0.25) ? null : bytes(upTo));
    const headers = () =>
      Object.fromEntries(list(4, (i) => [`${'ä'.repeat(random.below(3))}${i}`, random.chance(0.3) ? [bytes(9), bytes(9)] : bytes(90)]));
    const message = () => ({
      value: blockOrNull(random.chance(0.1) ? 20_000 : 300),
      ...(random.chance(0.3) ? {} : { key: blockOrNull(100) }),
      ...(random.chance(0.3) ? { headers: headers() } : {}),
    });
    for (let round = 0; round < 150; round++) {
      const data = list(3, (topic) => ({
        topic: `topic-${topic}`,
        partitions: list(4, (i) => ({ partition: i * 1_000, firstSequence: 0, messages: list(20, message) })),
      }));
      expect((await ownBytes(data)).equals(await kafkajsBytes(data))).toBe(true);
    }
  });
});

describe('where kafkajs encodes for itself', () => {
  it.each<[string, object]>([
    ['a time of its own', { value, timestamp: '1000' }],
    ['a value that is text', { value: 'text' }],
    ['a key that is text', { key: 'text', value }],
    ['a header that is text', { value, headers: { a: 'text' } }],
    ['a header among several that is text', { value, headers: { a: [value, 'text'] } }],
  ])('%s', (_, message) => {
    expect(encodeProduce(-1, 30_000, one([{ value }, message]) as never, Buffer.alloc)).toBeUndefined();
  });
});

describe('a producer', () => {
  /** The same in kafkajs: a client, its cluster and a broker of it, of some version of the request. */
  function kafkajs(version = 7) {
    const broker = { lookupRequest: (apiKey: number) => (apiKey === 0 ? produce.protocol({ version }) : other) as unknown };
    const other = () => ({ request: { apiKey: 3 } });
    const cluster = { findBroker: () => Promise.resolve(broker) };
    const real = new Kafka({ brokers: ['localhost:1'] });
    const symbol = Object.getOwnPropertySymbols(real).find(({ description }) => description === 'private:Kafka:createCluster')!;
    const kafka = { [symbol]: () => cluster } as unknown as Kafka;
    const encoding = new ProduceEncoding();
    const createCluster = () => (encoding.of(kafka) as unknown as Record<symbol, () => typeof cluster>)[symbol]!();
    /** What its producer does with a request. */
    const request = async (args: object, { findBroker } = createCluster()) => {
      const found = await findBroker();
      return (found.lookupRequest(0) as Produce)(args).request;
    };
    return { kafka, broker, cluster, encoding, request, createCluster, other };
  }
  const messages: Message[] = [{ value, key: null }, { value: null }];
  const placed = messages.map((message) => ({ ...message, partition: 0 }));
  const run: MessageRun = { value: null, partition: 0, run: messages };
  /** kafkajs' encoders can be told by what they have. */
  const byKafkajs = async ({ encode }: Request) => 'writeInt32' in ((await encode()) as object);

  it('has its requests written here, of runs and of messages, and is told when runs are understood', async () => {
    const { encoding, request } = kafkajs();
    expect(encoding.takesRuns).toBe(false);
    const plainly = await request(plain(one(messages)));
    expect(encoding.takesRuns).toBe(true);
    const inRuns = await request(plain(one([run])));
    const expected = await kafkajsBytes(one(messages));
    for (const each of [plainly, inRuns]) {
      expect(await byKafkajs(each)).toBe(false);
      expect(await bytesOf(each)).toEqual(expected);
    }
  });

  it.each([
    ['compressed', 7, { compression: 1 }],
    ['transactional', 7, { transactionalId: 'mine' }],
    ['idempotent', 7, { producerId: 5 }],
    ['of a later epoch', 7, { producerEpoch: 1 }],
    ['in sequence', 7, { topicData: [{ topic: 'topic', partitions: [{ partition: 0, firstSequence: 3, messages: [run] }] }] }],
    ['of an old version', 2, {}],
  ])('kafkajs encodes what is %s, and sees messages rather than runs', async (_, version, special) => {
    const { request } = kafkajs(version);
    const encoded = await request(plain(one([run]), special));
    expect(await byKafkajs(encoded)).toBe(true);
    const topicData =
      'topicData' in special ? [{ topic: 'topic', partitions: [{ partition: 0, firstSequence: 3, messages }] }] : one(messages);
    const own = produce.protocol({ version })(plain(topicData, { ...special, topicData })).request;
    expect(await bytesOf(encoded)).toEqual(await bytesOf(own));
  });

  it('kafkajs encodes what has something that is not written here', async () => {
    const { request } = kafkajs();
    const special = [{ value: 'text' }];
    const encoded = await request(plain(one([{ value: null, run: special }])));
    expect(await byKafkajs(encoded)).toBe(true);
    expect(await bytesOf(encoded)).toEqual(await kafkajsBytes(one(special)));
  });

  it('a broker that has connected again is reached as well, and none twice', async () => {
    const { broker, request, createCluster } = kafkajs();
    const cluster = createCluster();
    await request(plain(one([run])), cluster);
    const first = broker.lookupRequest;
    await request(plain(one([run])), cluster);
    expect(broker.lookupRequest).toBe(first);
    broker.lookupRequest = () => produce.protocol({ version: 6 });
    expect(await byKafkajs(await request(plain(one([run])), cluster))).toBe(false);
  });

  it('other requests are left as they are', async () => {
    const { createCluster, other } = kafkajs();
    const broker = await createCluster().findBroker();
    expect(broker.lookupRequest(3)).toBe(other);
  });

  it('a run that reaches kafkajs’ own encoder is refused by it, and not sent without its messages', async () => {
    const lost = runsOf(placed);
    const { request } = produce.protocol({ version: 7 })(plain([{ topic: 't', partitions: [{ partition: 0, messages: lost }] }]));
    await expect(request.encode()).rejects.toThrow(TypeError);
  });

  it('several runs of one partition are written as one', async () => {
    const runs = placed.flatMap((message) => runsOf([message]));
    expect(runs).toHaveLength(2);
    const { request } = kafkajs();
    const args = (sent: object[]) => plain([{ topic: 't', partitions: [{ partition: 0, messages: sent }] }]);
    vi.useFakeTimers();
    const bytes = await bytesOf(await request(args(runs)));
    expect(bytes).toEqual(await bytesOf(await request(args(messages))));
    vi.useRealTimers();
  });

  it('a kafkajs that is made otherwise is left as it is', async () => {
    const encoding = new ProduceEncoding();
    const unknown = {} as Kafka;
    expect(encoding.of(unknown)).toBe(unknown);
    const { cluster, broker, createCluster, encoding: reached } = kafkajs();
    broker.lookupRequest = undefined as never;
    expect((await createCluster().findBroker()).lookupRequest).toBeUndefined();
    cluster.findBroker = undefined as never;
    expect(createCluster()).toBe(cluster);
    expect(reached.takesRuns).toBe(false);
  });

  it('kafkajs as it is installed is reached, and other users of the same client are not', () => {
    const kafka = new Kafka({ brokers: ['localhost:1'] });
    const own = new ProduceEncoding().of(kafka);
    expect(own).not.toBe(kafka);
    expect(own.producer({ createPartitioner: () => () => 0 })).toHaveProperty('sendBatch');
    expect(own.logger()).toBe(kafka.logger());
  });
});
