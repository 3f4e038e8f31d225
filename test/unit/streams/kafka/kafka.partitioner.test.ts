import { describe, expect, it } from 'vitest';
import { isKeyless, murmur2, partitionOfKey } from '../../../../lib/streams/kafka/kafka.partitioner';
import { Partitioners } from 'kafkajs';

describe('partitioner', () => {
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])("is Java's murmur2 for %s", (key, hash) => {
    expect(murmur2(Buffer.from(key))).toBe(hash);
  });

  it('goes where kafkajs would go, for keys of every length', () => {
    const reference = Partitioners.DefaultPartitioner();
    const partitionMetadata = Array.from({ length: 13 }, (_each, partitionId) => ({
      partitionId,
      partitionErrorCode: 0,
      leader: 1,
      replicas: [],
      isr: [],
    }));
    for (let length = 0; length < 300; length++) {
      const key = Buffer.from(Array.from({ length }, (_each, index) => (index * 31 + length * 17) & 0xff));
      expect(partitionOfKey(key, 13)).toBe(reference({ topic: 't', partitionMetadata, message: { key, value: null } }));
    }
  });

  it.each([
    // As librdkafka of confluent-kafka 2.16.1 has put them on 7 partitions.
    ['key-0', 2045480940],
    ['größe', 1540598153],
  ])('is the CRC-32 of librdkafka for %s', (key, hash) => {
    expect(partitionOfKey(Buffer.from(key), 7, 'crc32')).toBe(hash % 7);
  });

  it('takes an empty key for none where librdkafka does', () => {
    const [empty, some] = [Buffer.alloc(0), Buffer.from('k')];
    expect([null, undefined, empty, some].map((key) => isKeyless(key, 'crc32'))).toEqual([true, true, true, false]);
    expect([null, undefined, empty, some].map((key) => isKeyless(key, 'murmur2'))).toEqual([true, true, false, false]);
  });
});
