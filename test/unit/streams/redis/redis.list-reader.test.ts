import type { ChainableCommander, Redis } from 'ioredis';
import { expect, it } from 'vitest';
import type { RedisConnection } from '../../../../lib/streams/redis/redis.connection';
import { RedisListReader } from '../../../../lib/streams/redis/redis.list-reader';
import { eventually } from '../../../support/eventually';
import { RecordingLogger } from '../../../support/recording-logger';

/** A Redis before version 7 that is full: it gives what it has, and takes nothing. Each pop waits until it is let go. */
function fullServer(lists: Readonly<Record<string, string>>) {
  const left = new Map(Object.entries(lists));
  const waiting: (() => void)[] = [];
  const answer = async (name: string, key: string): Promise<unknown> => {
    if (name.includes('lmpop')) throw new Error('ERR unknown command');
    await new Promise<void>((resolve) => waiting.push(resolve));
    const frame = name === 'rpop' ? left.get(key) : undefined;
    left.delete(key);
    return frame === undefined ? null : [Buffer.from(frame)];
  };
  const transaction = { exec: async () => Promise.reject(new Error('OOM command not allowed')) } as unknown as ChainableCommander;
  Object.assign(transaction, { lpush: () => transaction, rpush: () => transaction, pexpire: () => transaction });
  const redis = { callBuffer: answer, multi: () => transaction } as unknown as Redis;
  const connection = {
    isReady: true,
    connect: async () => {},
    run: (send: (client: Redis) => Promise<unknown>) => send(redis),
    onCut: () => {},
    onBack: () => {},
    close: async () => {},
  } as unknown as RedisConnection;
  return {
    connection,
    waiting: () => waiting.length,
    letGo: () => {
      for (const go of waiting.splice(0)) go();
    },
  };
}

it('F1: what cannot be put back into a list that nobody reads any more loses nothing of the others', async () => {
  const server = fullServer({ streamback_feedback_read: 'mine', streamback_feedback_closed: 'of another' });
  const logger = new RecordingLogger();
  const reader = new RedisListReader(server.connection, () => server.connection, logger);
  const seen: string[] = [];
  const open = (feedbackTopic: string) =>
    reader.open({ feedbackTopic, onFrames: (frames) => seen.push(...frames.map(String)), onUncertain: () => seen.push('uncertain') });
  const [, closed] = await Promise.all([open('streamback_feedback_read'), open('streamback_feedback_closed')]);
  await eventually('both are popped', () => {
    if (server.waiting() === 1) server.letGo();
    return server.waiting() === 2;
  });
  void closed!.close();
  server.letGo();
  await eventually('what was popped is given', () => seen.length > 0);
  expect(seen).toEqual(['mine']);
  expect(logger.having('streamback_feedback_closed')).toHaveLength(1);
  void reader.close();
  server.letGo();
});
