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
    const push = wholeAnswers((bytes) => taken.push(bytes));
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

  it('passes on the same bytes wherever they are divided', () => {
    const random = new Random(1);
    const all = Buffer.concat(Array.from({ length: 200 }, (_each, index) => answer('x'.repeat(index % 37))));
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
