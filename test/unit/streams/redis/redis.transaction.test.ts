import type { ChainableCommander, Redis } from 'ioredis';
import { expect, it } from 'vitest';
import type { RedisConnection } from '../../../../lib/streams/redis/redis.connection';
import { runTransaction } from '../../../../lib/streams/redis/redis.transaction';

/** A connection whose transactions end in turn as told. */
function connectionThat(...outcomes: readonly (Error | [Error | null, unknown][])[]) {
  const left = [...outcomes];
  const transaction = {
    exec: async () => {
      const outcome = left.shift();
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  } as unknown as ChainableCommander;
  const redis = { multi: () => transaction } as unknown as Redis;
  const connection = { run: (send: (redis: Redis) => Promise<unknown>) => send(redis) } as unknown as RedisConnection;
  return { run: () => runTransaction(connection, (commands) => commands), left };
}

const cut = (): Error => new Error('Command aborted due to connection close');

it('sends a transaction again that was cut inside', async () => {
  const { run, left } = connectionThat(cut(), cut(), [
    [null, 3],
    [null, 1],
  ]);
  expect(await run()).toEqual([3, 1]);
  expect(left).toHaveLength(0);
});

it('does not send again what Redis refused', async () => {
  const refused = new Error('OOM command not allowed');
  const whole = connectionThat(refused, [[null, 1]]);
  await expect(whole.run()).rejects.toBe(refused);
  const part = connectionThat([
    [null, 1],
    [refused, undefined],
  ]);
  await expect(part.run()).rejects.toBe(refused);
  expect(whole.left).toHaveLength(1);
});
