import { readFetchAnswer } from './kafka.fetch-answer';
import type { ConnectionPool, ProtocolRequest } from './kafka.join-connection';
import { isKnownKafkajs } from './kafka.package';

const FETCH = 1;
const VERSION = 11;

const reading = new WeakSet<ConnectionPool>();

/**
 * Has the answers to fetches over these connections read by {@link readFetchAnswer}, which takes a fraction of the time and leaves a
 * fraction of the garbage; the rest of a fetch stays kafkajs' own. So does the reading of what is not understood, and of all where
 * kafkajs is another one.
 */
export function readFetches(pool: ConnectionPool): void {
  if (reading.has(pool) || !isKnownKafkajs()) return;
  reading.add(pool);
  const send = pool.send.bind(pool);
  pool.send = (request) => send(withOwnReading(request));
}

function withOwnReading(protocol: ProtocolRequest): ProtocolRequest {
  const { request, response } = protocol;
  if (request.apiKey !== FETCH || request.apiVersion !== VERSION || !response) return protocol;
  const decode = async (payload: Buffer): Promise<unknown> =>
    (Buffer.isBuffer(payload) ? readFetchAnswer(payload) : undefined) ?? response.decode(payload);
  return { ...protocol, response: { ...response, decode } };
}
