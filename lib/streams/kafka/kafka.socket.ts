import type { ISocketFactoryArgs } from 'kafkajs';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { StreambackConnectionError } from '../../common/errors';

const KEEP_ALIVE_DELAY_MS = 60_000;
/** Each answer begins with its length. */
const LENGTH_BYTES = 4;
/** Far beyond what is asked for: a fetch brings 10 MB, or one record. Read as a length, the first bytes of TLS and of HTTP are more. */
const MAX_ANSWER_BYTES = 268_435_456;

/** What is read at once, into the same memory each time. What comes before anybody listens is not kept: kafkajs listens at once. */
const READ_BYTES = 65_536;

/**
 * kafkajs' own sockets, which keep from it what makes it wait for answers that cannot come. It keeps the first half of an answer whose
 * connection broke, puts the next connection's bytes behind it, and understands none of them: so only whole answers reach it. And where
 * two requests open a connection at once it may write to the one that broke, which Node passes over in silence: so that is an error.
 */
export function createSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
  const receive = wholeAnswers(
    (answers) => socket.emit('data', answers),
    (cause) => socket.destroy(notKafka(cause)),
  );
  const callback = (length: number, memory: Uint8Array): boolean => {
    receive(memory.subarray(0, length) as Buffer);
    return true;
  };
  const onread = { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback };
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl, onread } as ConnectionOptions, onConnect)
    : connect({ host, port, onread }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  return Object.assign(socket, {
    write: (...args: unknown[]) => {
      if (socket.destroyed)
        process.nextTick(() => socket.emit('error', new StreambackConnectionError('UNREACHABLE', 'The connection is closed')));
      return write(...args);
    },
  });
}

const notKafka = (cause: unknown): StreambackConnectionError =>
  new StreambackConnectionError('UNREACHABLE', 'What answers does not speak the Kafka protocol', { cause });

/**
 * Gives `take` whole answers, as soon as they are, in memory of their own: a chunk's is used again once this returns.
 * @param onBroken told of a length that no answer has, or what `take` has thrown: what follows cannot be understood
 */
export function wholeAnswers(take: (bytes: Buffer) => void, onBroken: (cause?: unknown) => void): (chunk: Buffer) => void {
  /** What came of the next answer's length. */
  let begun: Buffer | undefined;
  let answer: Buffer | undefined;
  let filled = 0;
  return (chunk) => {
    let completed: Buffer | undefined;
    let rest = chunk;
    if (answer) {
      const added = chunk.copy(answer, filled);
      filled += added;
      if (filled < answer.length) return;
      completed = answer;
      answer = undefined;
      rest = chunk.subarray(added);
    }
    if (begun) rest = Buffer.concat([begun, rest]);
    begun = undefined;
    let end = 0;
    let needed = 0;
    for (; rest.length - end >= LENGTH_BYTES; end += needed) {
      needed = LENGTH_BYTES + rest.readInt32BE(end);
      if (rest.length - end < needed || !isLength(needed)) break;
    }
    const left = rest.length - end;
    const isBroken = left >= LENGTH_BYTES && !isLength(needed);
    if (left >= LENGTH_BYTES && !isBroken) {
      answer = Buffer.allocUnsafeSlow(needed);
      filled = rest.copy(answer, 0, end);
    } else if (left > 0) begun = Buffer.from(rest.subarray(end));
    try {
      if (completed) take(completed);
      if (end > 0) take(Buffer.from(rest.subarray(0, end)));
    } catch (error) {
      return onBroken(error);
    }
    if (isBroken) onBroken();
  };
}

const isLength = (needed: number): boolean => needed >= LENGTH_BYTES && needed <= MAX_ANSWER_BYTES;
