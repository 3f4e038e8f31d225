import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../../lib/streams/kafka/kafka.crc32c';
import { Random } from '../../../support/random';

const kafkajsCrc = createRequire(__filename)('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;

describe('crc32c', () => {
  it.each([
    ['nothing', Buffer.alloc(0), 0],
    ['the check of the catalogues', Buffer.from('123456789'), 0xe3069283],
    // RFC 3720, B.4.
    ['zeros', Buffer.alloc(32), 0x8a9136aa],
    ['ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['counting up', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ['counting down', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ])('of %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('is that of kafkajs wherever the bytes lie and however many they are', () => {
    const random = new Random(1);
    const memory = Buffer.from(Array.from({ length: 5_000 }, () => random.below(256)));
    for (let start = 0; start < 9; start++) {
      for (const length of [0, 1, 7, 8, 31, 32, 33, 39, 40, 41, 100, 1_003, 4_990]) {
        const expected = kafkajsCrc(memory.subarray(start, start + length));
        expect(crc32c(memory, start, start + length)).toBe(expected);
        expect(crc32c(memory.subarray(start), 0, length)).toBe(expected);
      }
    }
  });
});
