import { crc32 } from 'node:zlib';

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/** Kafka's murmur2, as a signed 32-bit number: the same key goes to the same partition as from Java and kafkajs. */
export function murmur2(data: Buffer): number {
  const length = data.length;
  let hash = SEED ^ length;
  const end = length & ~3;
  for (let i = 0; i < end; i += 4) {
    let k = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    k = Math.imul(k, MULTIPLIER);
    k ^= k >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(k, MULTIPLIER);
  }
  const rest = length & 3;
  if (rest === 3) hash ^= data[end + 2]! << 16;
  if (rest >= 2) hash ^= data[end + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ data[end]!, MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/** How a key is turned into a partition: as Java and kafkajs do, or as librdkafka does and with it Python streamback. */
export type KafkaPartitioner = 'murmur2' | 'crc32';

/** The partition of a key among `partitions`. librdkafka, unlike Java, takes an empty key for none: see {@link isKeyless}. */
export function partitionOfKey(key: Buffer, partitions: number, partitioner: KafkaPartitioner = 'murmur2'): number {
  return (partitioner === 'crc32' ? crc32(key) : murmur2(key) & 0x7fffffff) % partitions;
}

/** Whether a message goes to each partition in turn. */
export function isKeyless(key: Buffer | null | undefined, partitioner: KafkaPartitioner): boolean {
  return key === null || key === undefined || (partitioner === 'crc32' && key.length === 0);
}
