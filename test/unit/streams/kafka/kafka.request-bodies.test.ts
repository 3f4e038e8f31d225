import { Kafka } from 'kafkajs';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { preparePools, preparingClusters } from '../../../../lib/streams/kafka/kafka.clusters';
import { ProduceEncoding } from '../../../../lib/streams/kafka/kafka.produce-encoding';
import { RequestBodies } from '../../../../lib/streams/kafka/kafka.request-bodies';
import { createSocket } from '../../../../lib/streams/kafka/kafka.socket';

interface Request {
  readonly encode: () => Promise<{ readonly buffer: Buffer }>;
}
interface Protocol {
  readonly request: Request;
  readonly response: unknown;
}
interface Connection {
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
  send(protocol: Protocol): Promise<unknown>;
}
interface Pool {
  readonly pool: Connection[];
}
type Produce = (args: object) => Protocol;
interface Broker {
  lookupRequest: (apiKey: number) => Produce;
  readonly connectionPool: Pool;
}

const load = createRequire(__filename);
const { protocol } = load('kafkajs/src/protocol/requests/produce') as { protocol: (of: { version: number }) => Produce };
const frame = load('kafkajs/src/protocol/request') as (of: object) => Promise<{ readonly buffer: Buffer }>;

/** kafkajs' own connections to a server that takes everything and answers when it is told to. */
class Bench {
  private readonly received: Buffer[] = [];
  private readonly produce: Produce;
  private sent = 0;

  /** @param peer the server's end */
  private constructor(
    broker: Broker,
    private readonly connection: Connection,
    private readonly server: Server,
    private readonly peer: Socket,
  ) {
    this.produce = broker.lookupRequest(0);
    peer.on('data', (bytes: Buffer) => this.received.push(bytes));
  }

  static async open(): Promise<Bench> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], clientId: 'me', logLevel: 0, socketFactory: createSocket });
    let pool!: Pool;
    const broker = {
      lookupRequest: (): Produce => protocol({ version: 7 }),
      get connectionPool(): Pool {
        return pool;
      },
    };
    // What kafkajs does: it makes the connections to a broker, which it finds among them later.
    const withBroker = preparingClusters(kafka, (cluster) => Object.assign(cluster, { findBroker: () => Promise.resolve(broker) }));
    const own = new ProduceEncoding().of(withBroker);
    const symbol = Object.getOwnPropertySymbols(own).find(({ description }) => description?.endsWith(':createCluster'))!;
    const cluster = (own as unknown as Record<symbol, (of: object) => object>)[symbol]!({});
    preparePools<Pool>(cluster, (each) => (pool = each));
    await (cluster as { connectionPoolBuilder: { build(of: object): Promise<Pool> } }).connectionPoolBuilder.build({
      host: '127.0.0.1',
      port,
    });
    const found = await (cluster as { findBroker(): Promise<Broker> }).findBroker();
    const connection = pool.pool[0]!;
    await connection.connect();
    return new Bench(found, connection, server, await connected);
  }

  async close(): Promise<void> {
    this.peer.destroy();
    this.server.close();
    await this.connection.disconnect();
  }

  /** Has kafkajs send one value; resolves with the answer. */
  send(value: Buffer, acks = -1): { readonly answered: Promise<unknown>; readonly expected: Promise<Buffer> } {
    const args = {
      acks,
      timeout: 1_000,
      compression: 0,
      topicData: [{ topic: 'topic', partitions: [{ partition: 0, firstSequence: 0, messages: [{ value, key: null }] }] }],
    };
    const correlationId = this.sent++;
    const theirs = protocol({ version: 7 })(args).request;
    const expected = frame({ correlationId, clientId: 'me', request: { ...theirs, apiKey: 0, apiVersion: 7 } }).then(
      ({ buffer }) => buffer,
    );
    return { answered: this.connection.send(this.produce(args)), expected };
  }

  /** What has arrived, once so much has. */
  async arrived(bytes: number): Promise<Buffer> {
    this.peer.resume();
    while (this.received.reduce((sum, { length }) => sum + length, 0) < bytes) await once(this.peer, 'data');
    return Buffer.concat(this.received.splice(0));
  }

  /** Reads nothing until it is asked for what has {@link arrived}. */
  pause(): void {
    this.peer.pause();
  }

  /** Answers: no topics, not throttled. */
  answer(correlationId: number): void {
    const bytes = Buffer.alloc(16);
    bytes.writeInt32BE(12);
    bytes.writeInt32BE(correlationId, 4);
    this.peer.write(bytes);
  }
}

const value = (length: number, letter: string): Buffer => Buffer.alloc(length, letter);

describe('a request goes around kafkajs', () => {
  let bench: Bench;
  // The time is part of a request.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_234_567_890_123 }));
  afterEach(async () => {
    await bench.close();
    vi.useRealTimers();
  });

  it.each([
    ['small', 100],
    ['just large enough', 16_300],
    ['large', 900_000],
    ['larger than what a socket takes at once', 8_000_000],
  ])('and arrives as kafkajs would have sent it, %s', async (_, length) => {
    bench = await Bench.open();
    for (const [id, letter] of ['a', 'b', 'c'].entries()) {
      const { answered, expected } = bench.send(value(length, letter));
      const whole = await expected;
      expect((await bench.arrived(whole.length)).equals(whole)).toBe(true);
      bench.answer(id);
      await answered;
    }
  });

  it('without acknowledgements as well', async () => {
    bench = await Bench.open();
    for (const length of [100, 500_000]) {
      const { answered, expected } = bench.send(value(length, 'a'), 0);
      await answered;
      const whole = await expected;
      expect((await bench.arrived(whole.length)).equals(whole)).toBe(true);
    }
  });

  it('nothing else is written to its memory until it was answered', async () => {
    bench = await Bench.open();
    bench.pause();
    // Neither read nor answered: a producer gives up waiting, and sends the next.
    const sent = [];
    for (const [letter, length] of [
      ['a', 4_100_000],
      ['b', 4_000_000],
      ['c', 3_000_000],
    ] as const) {
      sent.push(bench.send(value(length, letter)));
    }
    const wholes = await Promise.all(sent.map(({ expected }) => expected));
    const arrived = await bench.arrived(wholes.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const whole of wholes) {
      expect(arrived.subarray(at, at + whole.length).equals(whole)).toBe(true);
      at += whole.length;
    }
    for (const id of [0, 1, 2]) bench.answer(id);
    await Promise.all(sent.map(({ answered }) => answered));
  });
});

describe('RequestBodies', () => {
  /** Connections whose sockets keep what is written to them. */
  function connections() {
    const pool = [{ socketFactory: () => new PassThrough() as unknown as Socket }];
    const bodies = RequestBodies.around({ pool })!;
    const connect = (): Socket => pool[0]!.socketFactory();
    /** A request as kafkajs writes it: its length, a head, and what stands for its body. */
    const request = (head: string, standIn: Buffer): Buffer => {
      const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(head), standIn]);
      bytes.writeInt32BE(bytes.length - 4);
      return bytes;
    };
    const written = (socket: Socket): string => String(socket.read() ?? '');
    return { bodies, connect, request, written };
  }
  const whole = (head: string, body: string): string => `\0\0\0${String.fromCharCode(head.length + body.length)}${head}${body}`;

  it('leaves alone connections that look different', () => {
    expect(RequestBodies.around({})).toBeUndefined();
    expect(RequestBodies.around({ pool: [] })).toBeUndefined();
    expect(RequestBodies.around({ pool: [{}] })).toBeUndefined();
  });

  it('several requests may wait to be written, as where a broker throttles, and are so in any order', () => {
    const { bodies, connect, request, written } = connections();
    const socket = connect();
    const [one, two] = ['one', 'two'].map((body) => request(`head ${body} `, bodies.replace(Buffer.from(body))));
    socket.write('another');
    expect(written(socket)).toBe('another');
    socket.write(two!);
    expect(written(socket)).toBe(whole('head two ', 'two'));
    socket.write(one!);
    expect(written(socket)).toBe(whole('head one ', 'one'));
    expect(socket.writableCorked).toBe(0);
  });

  it('what was given up with a connection is not held beyond the next one', () => {
    const { bodies, connect, request, written } = connections();
    connect();
    const standIn = bodies.replace(Buffer.from('given up'));
    const socket = connect();
    const bytes = request('head', standIn);
    socket.write(bytes);
    expect(written(socket)).toBe(String(bytes));
  });

  it('a broker refuses what is left of a stand-in: a name longer than the request, and fewer topics than none', () => {
    const { bodies } = connections();
    const standIn = bodies.replace(Buffer.alloc(1));
    expect(standIn.readInt16BE()).toBeGreaterThan(standIn.length);
    expect(standIn.readInt32BE(8)).toBeLessThan(-1);
    expect(bodies.replace(Buffer.alloc(1)).equals(standIn)).toBe(false);
  });
});
