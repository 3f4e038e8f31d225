import { afterEach, expect, it, vi } from 'vitest';
import { SILENT_LOGGER } from '../../../../lib/common/logger';
import { KafkaRefusals } from '../../../../lib/streams/kafka/kafka.refusals';

afterEach(() => {
  vi.useRealTimers();
});

it('a topic that may not be read is tried again, until nothing is read any more', () => {
  vi.useFakeTimers();
  const readings: unknown[] = [];
  const refusals = new KafkaRefusals({ group: 'g', setReading: (...given) => readings.push(given), logger: SILENT_LOGGER });
  const refused = Object.assign(new TypeError('no'), { type: 'TOPIC_AUTHORIZATION_FAILED' });
  refusals.note('t', refused);
  vi.advanceTimersByTime(3_000);
  expect(readings).toEqual([
    ['t', false],
    ['t', true],
  ]);
  refusals.end();
  // What was on its way when it ended.
  refusals.note('t', refused);
  expect(vi.getTimerCount()).toBe(0);
});
