import type { ISocketFactoryArgs } from 'kafkajs';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { StreambackConnectionError } from '../../common/errors';

const KEEP_ALIVE_DELAY_MS = 60_000;
/** Each answer begins with its length. */
const LENGTH_BYTES = 4;

/** kafkajs' own sockets, made {@link honest}. */
export function createSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : connect({ host, port }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
  return honest(socket);
}

/**
 * Keeps from kafkajs what makes it wait for answers that cannot come. It keeps the first half of an answer whose connection broke,
 * puts the next connection's bytes behind it, and understands none of them: so only whole answers reach it. And where two requests
 * open a connection at once it may write to the one that broke, which Node passes over in silence: so that is an error.
 */
export function honest(socket: Socket): Socket {
  const on = socket.on.bind(socket) as (event: string, listener: (...args: never[]) => void) => Socket;
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  return Object.assign(socket, {
    on: (event: string, listener: (...args: never[]) => void) =>
      on(event, event === 'data' ? wholeAnswers(listener as (bytes: Buffer) => void) : listener),
    write: (...args: unknown[]) => {
      if (socket.destroyed)
        process.nextTick(() => socket.emit('error', new StreambackConnectionError('UNREACHABLE', 'The connection is closed')));
      return write(...args);
    },
  });
}

/** Gives `take` what has arrived up to the end of an answer, and keeps the rest until it is whole. */
export function wholeAnswers(take: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let needed = LENGTH_BYTES;
  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < needed) return;
    const all = chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes);
    let end = 0;
    for (needed = LENGTH_BYTES; all.length - end >= LENGTH_BYTES; needed = LENGTH_BYTES) {
      needed += all.readInt32BE(end);
      if (all.length - end < needed) break;
      end += needed;
    }
    const rest = all.subarray(end);
    chunks = rest.length > 0 ? [rest] : [];
    bytes = rest.length;
    if (end > 0) take(all.subarray(0, end));
  };
}
