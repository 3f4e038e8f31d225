import { describe, expect, it } from 'vitest';
import { murmur2, partitionOfKey } from '../../../../lib/streams/kafka/kafka.partitioner';
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
});
