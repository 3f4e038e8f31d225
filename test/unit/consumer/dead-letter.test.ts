import { expect, it } from 'vitest';
import { StreambackMessageError } from '../../../lib/common/errors';
import { deadLetterOf } from '../../../lib/consumer/dead-letter';

it('M6: keeps bytes, key and headers, and adds why; what an earlier burial added is replaced', () => {
  const [value, key] = [Buffer.from([0xff, 0]), Buffer.from([0xfe])];
  const letter = deadLetterOf(
    {
      topic: 'orders',
      partition: 3,
      offset: '9007199254740993',
      timestamp: 1,
      key,
      value,
      rank: 1,
      headers: [
        ['a', Buffer.from('1')],
        ['a', Buffer.from('2')],
        ['streamback-code', Buffer.from('OLD')],
      ],
    },
    { error: new StreambackMessageError('MALFORMED_MESSAGE', 'not JSON'), group: 'reports', attempts: 2, firstAt: 0, lastAt: 1_000 },
    'orders.dlt',
  );
  expect([letter.topic, letter.value, letter.key]).toEqual(['orders.dlt', value, key]);
  expect(letter.headers.map(([name, bytes]) => [name, bytes.toString()])).toEqual([
    ['a', '1'],
    ['a', '2'],
    ['streamback-code', 'MALFORMED_MESSAGE'],
    ['streamback-message', 'not JSON'],
    ['streamback-attempts', '2'],
    ['streamback-first-at', '1970-01-01T00:00:00.000Z'],
    ['streamback-last-at', '1970-01-01T00:00:01.000Z'],
    ['streamback-group', 'reports'],
    ['streamback-topic', 'orders'],
    ['streamback-partition', '3'],
    ['streamback-offset', '9007199254740993'],
  ]);
});
