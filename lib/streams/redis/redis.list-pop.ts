import type { RedisConnection } from './redis.connection';
import { BLOCK_MS } from './redis.client';
import { isUnknownCommand } from './redis.errors';

/** Elements a pop. */
const COUNT = 128;
/** Keys of one pop that does not wait, which gives from the first list that holds something: few where many do. */
const MAX_CHUNK = 64;

export interface Popped {
  readonly key: string;
  /** In the order they were written. */
  readonly values: readonly Buffer[];
}

/** What was taken, and why some could not be. */
export interface Sweep {
  readonly popped: readonly Popped[];
  /** Set where some pops failed; what the others took is in `popped`. */
  readonly failure: unknown;
}

/** Pops from the right of several lists at once, in the way the server knows. */
export class RedisListPop {
  /** Redis before 7 knows neither BLMPOP nor LMPOP. */
  private knowsBlmpop = true;
  private chunk = MAX_CHUNK;

  constructor(private readonly connection: RedisConnection) {}

  /** Takes what is there now, from many lists in one round trip. Never rejects: what was taken must not be lost. */
  async sweep(keys: readonly string[]): Promise<Sweep> {
    const chunkSize = this.knowsBlmpop ? this.chunk : 1;
    const pops: Promise<Popped | null>[] = [];
    for (let at = 0; at < keys.length; at += chunkSize) pops.push(this.popNow(keys.slice(at, at + chunkSize)));
    const outcomes = await Promise.allSettled(pops);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (this.knowsBlmpop && isUnknownCommand(failed?.reason)) {
      this.knowsBlmpop = false;
      return this.sweep(keys);
    }
    const popped = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' && outcome.value !== null ? [outcome.value] : []));
    if (popped.length * 2 > pops.length) this.chunk = Math.max(1, this.chunk / 4);
    else if (popped.length * 8 < pops.length) this.chunk = Math.min(MAX_CHUNK, this.chunk * 4);
    return { popped, failure: failed?.reason };
  }

  /** Resolves to null where nothing came for a while. */
  async next(keys: readonly string[]): Promise<Popped | null> {
    if (this.knowsBlmpop) {
      try {
        const reply = await this.connection.run((redis) =>
          redis.callBuffer('blmpop', BLOCK_MS / 1_000, keys.length, ...keys, 'RIGHT', 'COUNT', COUNT),
        );
        return parsePopped(reply);
      } catch (error) {
        if (!isUnknownCommand(error)) throw error;
        this.knowsBlmpop = false;
      }
    }
    const reply = await this.connection.run((redis) => redis.callBuffer('brpop', ...keys, BLOCK_MS / 1_000));
    if (!Array.isArray(reply)) return null;
    const [key, value] = reply as [Buffer, Buffer];
    // What was popped is in hand: a refused second pop must not lose it.
    const rest = await this.connection.run((redis) => redis.callBuffer('rpop', key, COUNT - 1)).catch(() => null);
    return { key: key.toString(), values: [value, ...(Array.isArray(rest) ? (rest as Buffer[]) : [])] };
  }

  private async popNow(keys: readonly string[]): Promise<Popped | null> {
    if (this.knowsBlmpop)
      return parsePopped(await this.connection.run((redis) => redis.callBuffer('lmpop', keys.length, ...keys, 'RIGHT', 'COUNT', COUNT)));
    const [key] = keys;
    const values = await this.connection.run((redis) => redis.callBuffer('rpop', key!, COUNT));
    return Array.isArray(values) && values.length > 0 ? { key: key!, values: values as Buffer[] } : null;
  }
}

/** Takes a BLMPOP reply apart: [key, values], or a map of one in RESP3. */
export function parsePopped(reply: unknown): Popped | null {
  if (reply === null || reply === undefined) return null;
  let pair: readonly unknown[];
  if (Array.isArray(reply)) pair = reply;
  else if (reply instanceof Map) pair = [...reply.entries()][0] ?? [];
  else pair = Object.entries(reply)[0] ?? [];
  const [key, values] = pair;
  if ((typeof key !== 'string' && !Buffer.isBuffer(key)) || !Array.isArray(values)) return null;
  return { key: key.toString(), values: values.filter((value): value is Buffer => Buffer.isBuffer(value)) };
}
