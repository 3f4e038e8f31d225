import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';

const STAND_IN_BYTES = 16;

/** What this needs of kafkajs' connections to one broker. */
export interface ConnectionPool {
  readonly pool?: readonly { socketFactory?: (...args: unknown[]) => Socket }[];
}

/**
 * The bodies of requests on their way around kafkajs, which would copy each twice, into zeroed memory of the next power of two. It is
 * given stand-ins, which the connections' sockets replace.
 */
export class RequestBodies {
  /** By what stands for them, as text. Those whose request was given up stay until the next connection, as that is what gives them up. */
  private readonly waiting = new Map<string, Buffer>();

  /** Of connections that are not open yet; `undefined` where they look different. */
  static around({ pool }: ConnectionPool): RequestBodies | undefined {
    if (!pool?.length || pool.some(({ socketFactory }) => typeof socketFactory !== 'function')) return undefined;
    const bodies = new RequestBodies();
    for (const connection of pool) {
      const create = connection.socketFactory!;
      connection.socketFactory = (...args) => bodies.joining(create(...args));
    }
    return bodies;
  }

  /** What stands for a body until it is written. */
  replace(body: Buffer): Buffer {
    const standIn = randomBytes(STAND_IN_BYTES);
    // Should it ever reach a broker, it is refused: its first text, the transaction's name, is longer than the request, and it has less
    // than no topics.
    standIn.writeInt16BE(0x7fff);
    standIn.writeInt32BE(-2, 8);
    this.waiting.set(standIn.toString('latin1'), body);
    return standIn;
  }

  private joining(socket: Socket): Socket {
    this.waiting.clear();
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    return Object.assign(socket, {
      write: (...args: unknown[]) => {
        const [request] = args;
        const body = Buffer.isBuffer(request) ? this.take(request) : undefined;
        return body ? join(socket, write, request as Buffer, body) : write(...args);
      },
    });
  }

  private take(request: Buffer): Buffer | undefined {
    if (this.waiting.size === 0 || request.length < STAND_IN_BYTES) return undefined;
    const standIn = request.toString('latin1', request.length - STAND_IN_BYTES);
    const body = this.waiting.get(standIn);
    if (body) this.waiting.delete(standIn);
    return body;
  }
}

function join(socket: Socket, write: (bytes: Buffer) => boolean, request: Buffer, body: Buffer): boolean {
  // A request begins with the length of what follows.
  request.writeInt32BE(request.readInt32BE() - STAND_IN_BYTES + body.length);
  socket.cork();
  try {
    write(request.subarray(0, -STAND_IN_BYTES));
    return write(body);
  } finally {
    socket.uncork();
  }
}
