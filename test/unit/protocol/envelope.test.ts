import { describe, expect, it } from 'vitest';
import { StreambackMessageError } from '../../../lib/common/errors';
import { decodeEnvelope, encodeEnvelope } from '../../../lib/protocol/envelope';
import { Random } from '../../support/random';

const TOPIC = 'streamback_feedback_354189d4-c22a-4c13-b8c9-3693fe03ec42';
const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');
const message = (fields: object): Buffer => bytes(JSON.stringify({ value: 1, event: 'message', ...fields }));

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof StreambackMessageError) return error.code;
    throw error;
  }
  return 'taken';
}

describe('an envelope that Python sent', () => {
  it('decodes, byte for byte as Python writes it', () => {
    const sent = `{"value": {"hello": "world", "n": 1}, "event": "message", "feedback_topic": "${TOPIC}", "source_group": "py-client"}`;
    expect(decodeEnvelope(bytes(sent))).toEqual({ value: { hello: 'world', n: 1 }, feedbackTopic: TOPIC, sourceGroup: 'py-client' });
  });

  it('has its escapes undone', () => {
    const sent = String.raw`{"value": "gr\u00f6\u00dfe \ud83d\ude00", "event": "message", "feedback_topic": null, "source_group": "gr\u00fcn"}`;
    expect(decodeEnvelope(bytes(sent))).toEqual({ value: 'größe 😀', feedbackTopic: null, sourceGroup: 'grün' });
  });
});

describe('encodeEnvelope', () => {
  it('puts the four fields of Python first, as Python has them', () => {
    const head = {
      feedbackTopic: TOPIC,
      sourceGroup: 'web',
      id: 'i-1',
      inbox: 'streamback_inbox_1',
      deadline: 9,
      timeoutMs: 5,
      credit: 256,
    };
    expect(encodeEnvelope('{"n":1}', head).toString()).toBe(
      `{"value":{"n":1},"event":"message","feedback_topic":"${TOPIC}","source_group":"web","id":"i-1","inbox":"streamback_inbox_1","deadline":9,"timeout_ms":5,"credit":256}`,
    );
  });

  it('gives an event a null feedback topic, and writes nothing that is not there', () => {
    expect(encodeEnvelope('null', { feedbackTopic: null, sourceGroup: 'web' }).toString()).toBe(
      '{"value":null,"event":"message","feedback_topic":null,"source_group":"web"}',
    );
  });

  it('escapes the group, and sends text as UTF-8', () => {
    const encoded = encodeEnvelope('"ü😀"', { feedbackTopic: null, sourceGroup: 'a"b\\\n' });
    expect(JSON.parse(encoded.toString('utf8'))).toMatchObject({ value: 'ü😀', source_group: 'a"b\\\n' });
  });

  it('is undone by decodeEnvelope', () => {
    const head = {
      feedbackTopic: TOPIC,
      sourceGroup: 'web',
      id: 'i-1',
      inbox: 'streamback_inbox_1',
      deadline: 9,
      timeoutMs: 5,
      credit: 256,
    };
    expect(decodeEnvelope(encodeEnvelope('[1,null]', head))).toEqual({ ...head, value: [1, null] });
  });
});

describe('decodeEnvelope', () => {
  it.each([
    ['a null value (a tombstone)', null, null],
    ['null', bytes('null'), null],
    ['an object of another program', bytes('{"order":7}'), { order: 7 }],
    ['another event', bytes('{"event":"created","value":1}'), { event: 'created', value: 1 }],
    ['an array', bytes('[{"event":"message"}]'), [{ event: 'message' }]],
    ['text', bytes('"message"'), 'message'],
    ['a number', bytes('1e400'), Infinity],
    ['false', bytes('false'), false],
  ])('M6: hands over what is no envelope as data: %s', (_name, sent, value) => {
    expect(decodeEnvelope(sent)).toEqual({ value, feedbackTopic: null, sourceGroup: null });
  });

  it('M6: takes a value of null, and a missing one, for null', () => {
    expect(decodeEnvelope(message({ value: null })).value).toBeNull();
    expect(decodeEnvelope(bytes('{"event":"message"}')).value).toBeNull();
    for (const value of [0, false, '', []]) expect(decodeEnvelope(message({ value })).value).toEqual(value);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a cut message', bytes('{"value": 1, "event"')],
    ['no JSON', bytes('hello')],
    ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), message({})])],
    ['bytes that are not UTF-8', Buffer.concat([bytes('{"value":"'), Buffer.from([0xff, 0xfe]), bytes('","event":"message"}')])],
    ['an overlong form', Buffer.concat([bytes('"'), Buffer.from([0xc0, 0xaf]), bytes('"')])],
    ['a surrogate in UTF-8', Buffer.concat([bytes('"'), Buffer.from([0xed, 0xa0, 0x80]), bytes('"')])],
    ['two values', bytes('{} {}')],
  ])('M6: refuses %s', (_name, sent) => {
    expect(codeOf(() => decodeEnvelope(sent))).toBe('MALFORMED_MESSAGE');
  });

  it('tells nothing of what it refuses', () => {
    expect(() => decodeEnvelope(bytes('secret'))).toThrow(/^not JSON \(6 characters\)$/);
  });

  it('clamps numbers, and ignores what is none', () => {
    const limits = (fields: object) => {
      const { deadline, timeoutMs, credit } = decodeEnvelope(message(fields));
      return [deadline, timeoutMs, credit];
    };
    expect(limits({ deadline: -5, timeout_ms: -5, credit: -5 })).toEqual([0, 0, 1]);
    expect(limits({ deadline: 2 ** 60, timeout_ms: 2 ** 40, credit: 1e9 })).toEqual([Number.MAX_SAFE_INTEGER, 2 ** 31 - 1, 65_536]);
    expect(limits({ deadline: 1.9, timeout_ms: 1.9, credit: 1.9 })).toEqual([1, 1, 1]);
    for (const value of ['5', null, true, {}, []])
      expect(limits({ deadline: value, timeout_ms: value, credit: value })).toEqual([undefined, undefined, undefined]);
    const huge = decodeEnvelope(bytes('{"event":"message","deadline":1e400,"timeout_ms":1e400,"credit":1e400}'));
    expect(huge).toMatchObject({ deadline: Number.MAX_SAFE_INTEGER, timeoutMs: 2 ** 31 - 1, credit: 65_536 });
  });

  it('ignores ids that cannot be ours, and a group that is no text', () => {
    for (const id of ['', 'a b', 'a"b', 'x'.repeat(129), 7, null, {}]) expect(decodeEnvelope(message({ id })).id).toBeUndefined();
    for (const group of [7, null, {}]) expect(decodeEnvelope(message({ source_group: group })).sourceGroup).toBeNull();
    expect(decodeEnvelope(message({ id: 'x'.repeat(128) })).id).toBe('x'.repeat(128));
  });

  it('of a field that is there twice takes the last, as Python does', () => {
    expect(decodeEnvelope(bytes(`{"event":"message","value":1,"value":2,"feedback_topic":"evil","feedback_topic":null}`))).toMatchObject({
      value: 2,
      feedbackTopic: null,
    });
    expect(codeOf(() => decodeEnvelope(bytes(`{"event":"message","feedback_topic":"${TOPIC}","feedback_topic":"evil"}`)))).toBe(
      'FOREIGN_FEEDBACK_KEY',
    );
  });

  it('does not take __proto__ for fields, nor lets it reach any object', () => {
    const sent = bytes(
      '{"__proto__":{"event":"message","feedback_topic":"evil"},"value":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}}',
    );
    expect(decodeEnvelope(sent).feedbackTopic).toBeNull();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    const inside = decodeEnvelope(bytes('{"event":"message","__proto__":{"feedback_topic":"evil","id":"x"},"value":1}'));
    expect(inside).toMatchObject({ feedbackTopic: null, value: 1 });
    expect(inside.id).toBeUndefined();
  });

  it('takes JSON that is 10,000 levels deep', () => {
    const deep = '['.repeat(10_000) + ']'.repeat(10_000);
    let { value } = decodeEnvelope(bytes(`{"event":"message","value":${deep}}`));
    let depth = 0;
    for (; Array.isArray(value); value = value[0]) depth += 1;
    expect(depth).toBe(10_000);
  });

  it('hands over escaped lone surrogates as they are', () => {
    expect(decodeEnvelope(bytes(String.raw`{"event":"message","value":"\ud800","source_group":"\udc00"}`))).toMatchObject({
      value: '\ud800',
      sourceGroup: '\udc00',
    });
  });
});

describe('keys that a message names', () => {
  it.each(['feedback_topic', 'inbox'])('%s: anything but a feedback key is refused', (field) => {
    const prefix = field === 'inbox' ? 'streamback_inbox_' : 'streamback_feedback_';
    const hostile = [
      '',
      'x',
      prefix,
      `${prefix} `,
      `${prefix}a\n`,
      `\n${prefix}a`,
      `${prefix}a b`,
      `${prefix}a*`,
      `${prefix}{a}`,
      `${prefix}a/../b`,
      `${prefix}a:lease`,
      `${prefix}ü`,
      `${prefix}${'a'.repeat(129)}`,
      `x${prefix}a`,
      prefix.toUpperCase() + 'A',
      `${prefix}a\0`,
      7,
      true,
      {},
      [],
      [`${prefix}a`],
      { length: 3 },
      field === 'inbox' ? 'streamback_feedback_a' : 'streamback_inbox_a',
      'streamback_lease_a',
    ];
    for (const key of hostile)
      expect([key, codeOf(() => decodeEnvelope(message({ [field]: key })))]).toEqual([key, 'FOREIGN_FEEDBACK_KEY']);
    for (const key of [`${prefix}a`, `${prefix}A.b_c-9`, prefix + 'a'.repeat(128)])
      expect(codeOf(() => decodeEnvelope(message({ [field]: key })))).toBe('taken');
  });

  it('a null inbox is refused, a null feedback topic makes an event', () => {
    expect(codeOf(() => decodeEnvelope(message({ inbox: null })))).toBe('FOREIGN_FEEDBACK_KEY');
    expect(decodeEnvelope(message({ feedback_topic: null })).feedbackTopic).toBeNull();
  });

  it('of 100,000 hostile keys none is taken that breaks the rule', () => {
    const random = new Random(20_261_121);
    const pieces = [
      'streamback_',
      'feedback_',
      'inbox_',
      'a',
      'Z',
      '9',
      '.',
      '_',
      '-',
      ' ',
      '\n',
      '\r',
      '\0',
      '*',
      '?',
      '{',
      '}',
      ':',
      '/',
      '\\',
      'ü',
      '\u2028',
      '😀',
      '\ud800',
      'ſ',
      'K',
      'x'.repeat(64),
      '"',
    ];
    const whole = { feedback_topic: ['streamback_feedback_'], inbox: ['streamback_inbox_'] };
    const legal = { feedback_topic: /^streamback_feedback_[A-Za-z0-9._-]{1,128}$/, inbox: /^streamback_inbox_[A-Za-z0-9._-]{1,128}$/ };
    let taken = 0;
    const wrong: string[] = [];
    for (let round = 0; round < 100_000; round++) {
      const field = random.pick(['feedback_topic', 'inbox'] as const);
      let key = random.next() < 0.7 ? whole[field][0]! : '';
      for (let left = random.below(6); left > 0; left--) key += random.pick(random.next() < 0.5 ? ['a', 'Z', '9', '.', '_', '-'] : pieces);
      const isTaken = codeOf(() => decodeEnvelope(message({ [field]: key }))) === 'taken';
      if (isTaken) taken += 1;
      if (isTaken !== legal[field].test(key)) wrong.push(key);
    }
    expect(wrong).toEqual([]);
    expect(taken).toBeGreaterThan(5_000);
    expect(taken).toBeLessThan(95_000);
  });
});
