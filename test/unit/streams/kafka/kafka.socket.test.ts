import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createSocket, wholeAnswers } from '../../../../lib/streams/kafka/kafka.socket';
import { Random } from '../../../support/random';

const answer = (body: string): Buffer => {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(body));
  bytes.writeInt32BE(Buffer.byteLength(body));
  bytes.write(body, 4);
  return bytes;
};

describe('wholeAnswers', () => {
  const feed = (chunks: readonly Buffer[]): Buffer[] => {
    const taken: Buffer[] = [];
    const push = wholeAnswers(
      (bytes) => taken.push(bytes),
      () => expect.unreachable(),
    );
    chunks.forEach(push);
    return taken;
  };

  it('passes on what is whole, and keeps what is not', () => {
    const [one, two] = [answer('one'), answer('two')];
    expect(feed([one, two])).toEqual([one, two]);
    expect(feed([Buffer.concat([one, two.subarray(0, 5)])])).toEqual([one]);
    expect(feed([one.subarray(0, 2), one.subarray(2, 6)])).toEqual([]);
    expect(feed([one.subarray(0, 2), Buffer.concat([one.subarray(2), two])])).toEqual([Buffer.concat([one, two])]);
    expect(feed([answer('')])).toEqual([answer('')]);
  });

  it.each([3, 5, 7, 8, 100])('gives answers memory of their own: that of chunks, here %i bytes, is used again', (size) => {
    const memory = Buffer.alloc(size);
    const taken: Buffer[] = [];
    const push = wholeAnswers(
      (bytes) => taken.push(bytes),
      () => expect.unreachable(),
    );
    const all = Buffer.concat(['', 'one', 'two three four', 'five'].map(answer));
    for (let at = 0; at < all.length; at += memory.length) push(memory.subarray(0, all.copy(memory, 0, at)));
    memory.fill(0);
    expect(Buffer.concat(taken).equals(all)).toBe(true);
  });

  it.each([
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request')],
    ['TLS', Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46])],
    ['less than none', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x00])],
  ])('what is no length of an answer is told, after the answers before it: %s', (_, bytes) => {
    const told: string[] = [];
    const push = wholeAnswers(
      () => told.push('answer'),
      () => told.push('broken'),
    );
    push(Buffer.concat([answer('one'), answer('two').subarray(0, 3)]));
    push(Buffer.concat([answer('two').subarray(3), bytes]));
    expect(told).toEqual(['answer', 'answer', 'broken']);
  });

  it('what its taker throws is told, and ends nothing else', () => {
    const cause = new RangeError('too short');
    const told: unknown[] = [];
    const push = wholeAnswers(
      () => {
        throw cause;
      },
      (error) => told.push(error),
    );
    push(Buffer.concat([answer(''), answer('next').subarray(0, 5)]));
    push(answer('next').subarray(5));
    expect(told).toEqual([cause, cause]);
  });

  it('passes on the same bytes wherever they are divided', () => {
    const random = new Random(1);
    const all = Buffer.concat(Array.from({ length: 200 }, (_each, index) => answer('x'.repeat(index % 7 === 0 ? 300 : index % 37))));
    for (let round = 0; round < 50; round++) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < all.length;) {
        const end = at + 1 + random.below(90);
        chunks.push(all.subarray(at, end));
        at = end;
      }
      expect(Buffer.concat(feed(chunks)).equals(all)).toBe(true);
    }
  });
});

describe('createSocket', () => {
  const ends: (() => void)[] = [];
  afterEach(() => ends.splice(0).forEach((end) => end()));
  const connected = async (): Promise<{ socket: Socket; peer: Socket }> => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const peer = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const { port } = server.address() as AddressInfo;
    const socket = await new Promise<Socket>((resolve) => {
      const opened = createSocket({ host: '127.0.0.1', port, ssl: undefined as never, onConnect: () => resolve(opened) });
    });
    ends.push(
      () => socket.destroy(),
      () => server.close(),
    );
    return { socket, peer: await peer };
  };

  it('a half answer dies with its connection', async () => {
    const { socket, peer } = await connected();
    const taken: string[] = [];
    socket.on('data', (bytes: Buffer) => taken.push(bytes.toString()));
    const closed = new Promise((resolve) => socket.on('end', () => resolve(undefined)));
    peer.write(answer('whole'));
    peer.end(answer('half').subarray(0, 6));
    await closed;
    expect(taken).toEqual([answer('whole').toString()]);
  });

  it('a server that does not speak Kafka is told apart', async () => {
    const { socket, peer } = await connected();
    const failed = new Promise((resolve) => socket.on('error', resolve));
    socket.on('data', () => expect.unreachable());
    peer.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    expect(await failed).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('does not speak the Kafka protocol') });
  });

  it('an answer too short to be one ends its connection, not the process', async () => {
    const { socket, peer } = await connected();
    const failed = new Promise((resolve) => socket.on('error', resolve));
    socket.on('data', (bytes: Buffer) => bytes.readInt32BE(4));
    peer.write(answer(''));
    expect(await failed).toMatchObject({ code: 'UNREACHABLE', cause: expect.any(RangeError) });
  });

  it('an error tells of each write to a connection that is closed, as Node itself does not', async () => {
    const { socket } = await connected();
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    socket.destroy();
    await new Promise((resolve) => socket.once('close', resolve));
    socket.write('a');
    socket.write('b');
    await new Promise((resolve) => setImmediate(resolve));
    expect(errors).toMatchObject([{ code: 'UNREACHABLE' }, { code: 'UNREACHABLE' }]);
  });
});
