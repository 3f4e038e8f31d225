import { rawKafka } from '../fault/raw-kafka';
import { createTopics } from '../support/create-topics';
import { eventually } from '../support/eventually';
import { startRedis, type RedisServer } from '../support/redis';
import { PythonClient, startPython, type PythonMessage, type PythonProcess } from './python-process';

/** The topics of `python/server.py`. */
const TOPICS = ['echo', 'count', 'fail', 'silent', 'slow', 'numbers', 'several', 'event', 'keyed', 'whole'];
export const PARTITIONS = 7;

/** What both kinds can hold, and none changes on its way. */
export const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1.5,
  1e300,
  '',
  'größe 😀 \u0000 \u2028 "quoted" \\',
  [],
  {},
  [[], {}, [null, [0, '', false]]],
  { '': { 'größe 😀': [{ deep: { deeper: [1, 'x', null] } }] }, __proto__x: 1 },
  'x'.repeat(100_000),
  Number.MAX_SAFE_INTEGER,
  -Number.MAX_SAFE_INTEGER,
];

/** A Redis without a password: Python streamback cannot give one. */
export const startPlainRedis = (): Promise<RedisServer> => startRedis();

/** Creates the topics of the Python server under a prefix: it creates none itself. */
export async function createServerTopics(kafkaUrl: string, prefix: string, partitions = PARTITIONS): Promise<void> {
  const admin = rawKafka(kafkaUrl).admin();
  await admin.connect();
  try {
    // Its master gives up for good where a leader does not know yet that it is one.
    await createTopics(admin, ...TOPICS.map((topic) => ({ topic: `${prefix}.${topic}`, numPartitions: partitions })));
  } finally {
    await admin.disconnect();
  }
}

export interface PythonServerOptions {
  readonly pythonPath: string;
  readonly group: string;
  readonly streams: string;
  /** What it listens to, `echo` among them. @default all */
  readonly topics?: readonly string[];
  readonly onMessage?: (message: PythonMessage) => void;
}

/** Starts a Python server, and waits until it answers. */
export async function startPythonServer({ pythonPath, group, streams, topics, onMessage }: PythonServerOptions): Promise<PythonProcess> {
  const server = startPython(pythonPath, 'server.py', [group, streams, ...(topics ? [topics.join(',')] : [])]);
  if (onMessage) server.onMessage(onMessage);
  const client = await PythonClient.start(pythonPath, `${group}.probe`, streams);
  const ask = () => client.do({ do: 'read', topic: 'echo', value: 1, from_group: group, timeout: 5 });
  try {
    await eventually('the Python server answers', ask, { timeoutMs: 60_000 });
    return server;
  } catch (cause) {
    const { output } = server;
    await server.kill();
    throw new Error(`The Python server does not answer:\n${output}`, { cause });
  } finally {
    await client.close();
  }
}

/** How the ids of a stream that was numbered from 0 came. */
export function countIds(ids: readonly number[], sent: number): { sent: number; lost: number; doubled: number; outOfOrder: number } {
  const distinct = new Set(ids);
  return {
    sent,
    lost: sent - distinct.size,
    doubled: ids.length - distinct.size,
    outOfOrder: ids.filter((id, index) => index > 0 && id < ids[index - 1]!).length,
  };
}
