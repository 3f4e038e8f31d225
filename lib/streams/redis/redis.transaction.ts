import type { ChainableCommander } from 'ioredis';
import type { RedisConnection } from './redis.connection';
import { isCutInPipeline } from './redis.errors';

/**
 * Runs the commands that `build` adds in one MULTI, and again where the connection was cut inside it: ioredis sends single commands
 * again, but not these. They may have run the first time.
 * @returns the commands' replies
 * @throws what Redis answered to the first command that it refused
 */
export async function runTransaction(
  connection: RedisConnection,
  build: (transaction: ChainableCommander) => ChainableCommander,
): Promise<readonly unknown[]> {
  for (;;) {
    try {
      const replies = (await connection.run((redis) => build(redis.multi()).exec())) ?? [];
      for (const [error] of replies) if (error) throw error;
      return replies.map(([, reply]) => reply);
    } catch (error) {
      if (!isCutInPipeline(error)) throw error;
    }
  }
}
