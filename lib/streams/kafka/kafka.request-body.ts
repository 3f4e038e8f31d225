import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';

const STAND_IN_BYTES = 16;
/** A length below zero, which no broker reads on from: a stand-in that stayed ends its connection, and nothing is written by it. */
const UNREADABLE = -32_768;

/** What this needs of kafkajs' connections to one broker. */
export interface ConnectionPool {
  readonly pool?: readonly { socketFactory?: (...args: unknown[]) => Socket }[];
}

/**
 * The body of a request on its way around kafkajs, which would copy it twice, each time into zeroed memory of the next power of two. It
 * is given a stand-in, which the connection's socket replaces. Its producer has one request at a time on its way to a broker.
 */
export class RequestBody {
  private standIn: Buffer | undefined;
  private bytes: Buffer | undefined;

  /** Of connections that are not open yet; `undefined` where they look different. */
  static around({ pool }: ConnectionPool): RequestBody | undefined {
    if (!pool?.length || pool.some(({ socketFactory }) => typeof socketFactory !== 'function')) return undefined;
    const body = new RequestBody();
    for (const connection of pool) {
      const create = connection.socketFactory!;
      connection.socketFactory = (...args) => body.joining(create(...args));
    }
    return body;
  }

  /** What stands for `bytes` until it is written. What stood for others, of a request that was given up, stands for nothing. */
  replace(bytes: Buffer): Buffer {
    this.bytes = bytes;
    this.standIn = randomBytes(STAND_IN_BYTES);
    this.standIn.writeInt16BE(UNREADABLE);
    return this.standIn;
  }

  private joining(socket: Socket): Socket {
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    return Object.assign(socket, {
      write: (...args: unknown[]) => {
        const [request] = args;
        if (!this.standIn || !Buffer.isBuffer(request) || !request.subarray(-STAND_IN_BYTES).equals(this.standIn)) return write(...args);
        const body = this.bytes!;
        this.standIn = this.bytes = undefined;
        // A request begins with the length of what follows.
        request.writeInt32BE(request.readInt32BE() - STAND_IN_BYTES + body.length);
        socket.cork();
        write(request.subarray(0, -STAND_IN_BYTES));
        const takesMore = write(body);
        socket.uncork();
        return takesMore;
      },
    });
  }
}
