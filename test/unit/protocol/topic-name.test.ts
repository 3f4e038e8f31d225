import { describe, expect, it } from 'vitest';
import { deadLetterTopicOf, ESCAPED_PREFIX, topicOf } from '../../../lib/protocol/topic-name';
import { Random } from '../../support/random';

const LEGAL = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/;
const INVALID = expect.objectContaining({ code: 'INVALID_PATTERN' });

describe('topicOf', () => {
  it.each(['a', 'reports.build', 'new_log', 'A-b_c.9', 'x'.repeat(249), '...'])('leaves a legal topic name as it is: %s', (pattern) => {
    expect(topicOf(pattern)).toBe(pattern);
  });

  it.each([
    ['größe: 100%', `${ESCAPED_PREFIX}gr-c3-b6-c3-9fe-3a-20100-25`],
    ['{"cmd":"a"}', `${ESCAPED_PREFIX}-7b-22cmd-22-3a-22a-22-7d`],
    ['a b', `${ESCAPED_PREFIX}a-20b`],
    ['.', `${ESCAPED_PREFIX}.`],
    ['..', `${ESCAPED_PREFIX}..`],
    ['a\nb', `${ESCAPED_PREFIX}a-0ab`],
    ['a-b c', `${ESCAPED_PREFIX}a-2db-20c`],
  ])('escapes %s', (pattern, topic) => expect(topicOf(pattern)).toBe(topic));

  it.each(['', 'orders.dlt', '.dlt', 'ü.dlt', ESCAPED_PREFIX, `${ESCAPED_PREFIX}x`, '\ud800', 'a\udc00b'])('refuses %j', (pattern) => {
    expect(() => topicOf(pattern)).toThrow(INVALID);
  });

  it('puts the prefix and a dot before all, but not twice, and compares it up to its dot', () => {
    expect(topicOf('build', 'app')).toBe('app.build');
    expect(topicOf('app.build', 'app')).toBe('app.build');
    expect(topicOf('apple', 'app')).toBe('app.apple');
    expect(topicOf('app', 'app')).toBe('app.app');
    expect(topicOf('a b', 'app')).toBe(`app.${ESCAPED_PREFIX}a-20b`);
  });

  it('keeps the escaped prefix free behind a prefix too', () => {
    expect(() => topicOf(`app.${ESCAPED_PREFIX}a-20b`, 'app')).toThrow(INVALID);
    expect(() => topicOf(`${ESCAPED_PREFIX}a-20b`, 'app')).toThrow(INVALID);
  });

  it('bounds what is too long with a hash of the whole', () => {
    const [one, two] = [topicOf('x'.repeat(250)), topicOf(`${'x'.repeat(250)}y`)];
    expect(one).toHaveLength(249);
    expect(one).toMatch(/^streamback\.pattern\.x+-[0-9a-f]{32}$/);
    expect(one).not.toBe(two);
    expect(topicOf('x'.repeat(250))).toBe(one);
    expect(topicOf('x'.repeat(249), 'app')).toMatch(/^app\.streamback\.pattern\.x+-[0-9a-f]{32}$/);
  });

  it('gives two patterns never one topic, and only legal ones', () => {
    const random = new Random(7);
    const characters = ['a', 'b', 'Z', '0', '9', '.', '_', '-', ' ', '%', 'ü', 'ß', '😀', '{', '"', '\n', '2', 'd', 'c3', '-2d', '\0'];
    const patterns = new Map<string, string>();
    let collisions = 0;
    for (let round = 0; round < 100_000; round++) {
      let pattern = random.next() < 0.02 ? 'x'.repeat(random.below(260)) : '';
      for (let left = 1 + random.below(6); left > 0; left--) pattern += random.pick(characters);
      const topic = topicOf(pattern);
      if (!LEGAL.test(topic)) throw new Error(`${JSON.stringify(pattern)} became ${JSON.stringify(topic)}`);
      const known = patterns.get(topic);
      if (known !== undefined && known !== pattern) collisions += 1;
      patterns.set(topic, pattern);
    }
    expect(collisions).toBe(0);
    expect(patterns.size).toBeGreaterThan(50_000);
  });
});

describe('deadLetterTopicOf', () => {
  it('adds .dlt, within the limit', () => {
    expect(deadLetterTopicOf('orders')).toBe('orders.dlt');
    expect(deadLetterTopicOf('x'.repeat(245))).toBe(`${'x'.repeat(245)}.dlt`);
    const [one, two] = [deadLetterTopicOf('x'.repeat(246)), deadLetterTopicOf('x'.repeat(247))];
    expect(one).toMatch(/^x+-[0-9a-f]{32}\.dlt$/);
    expect(one).toHaveLength(249);
    expect(one).not.toBe(two);
  });
});
