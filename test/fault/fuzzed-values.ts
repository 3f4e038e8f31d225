import type { Random } from '../support/random';

/** A value of the main stream, and whether a consumer can make sense of it: known by how it was made, or by what is not ours. */
export interface FuzzedValue {
  readonly kind: string;
  readonly value: Buffer | null;
  readonly good: boolean;
}

type Maker = (random: Random) => { value: Buffer | string | null; good?: boolean };

const GIANT_BYTES = 900_000;
const FEEDBACK = /^streamback_feedback_[A-Za-z0-9._-]{1,128}$/;
const INBOX = /^streamback_inbox_[A-Za-z0-9._-]{1,128}$/;

/** What docs/wire.md says is readable, said once more with what the platform has: no decoder of ours. */
export function isReadable(value: Buffer | null): boolean {
  if (value === null) return true;
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value));
  } catch {
    return false;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return true;
  const { event, feedback_topic: feedback = null, inbox } = parsed as Record<string, unknown>;
  if (event !== 'message') return true;
  if (feedback !== null && !(typeof feedback === 'string' && FEEDBACK.test(feedback))) return false;
  return inbox === undefined || (typeof inbox === 'string' && INBOX.test(inbox));
}

const text = (random: Random, length: number): string =>
  Array.from({ length }, () =>
    String.fromCodePoint(random.pick([0x20 + random.below(0x5f), 0xe9, 0x4e2d, 0x1f600, 0x22, 0x5c, 0x0a])),
  ).join('');

const bytes = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random.below(256)));

function json(random: Random, depth = 0): unknown {
  switch (random.below(depth > 4 ? 5 : 7)) {
    case 0:
      return null;
    case 1:
      return random.next() < 0.5;
    case 2:
      return random.pick([0, -1, 1e308, 2 ** 60, random.next(), -0.5]);
    case 3:
    case 4:
      return text(random, random.below(20));
    case 5:
      return Array.from({ length: random.below(5) }, () => json(random, depth + 1));
    default:
      return Object.fromEntries(Array.from({ length: random.below(5) }, () => [text(random, random.below(8)), json(random, depth + 1)]));
  }
}

const envelope = (fields: object): string =>
  JSON.stringify({ value: { n: 1 }, event: 'message', feedback_topic: null, source_group: 'fuzz', ...fields });

/** The few that are large come once in a hundred. */
const LARGE: Record<string, Maker> = {
  'giant JSON': () => ({ value: JSON.stringify('x'.repeat(GIANT_BYTES)), good: true }),
  'giant garbage': (random) => ({ value: Buffer.alloc(GIANT_BYTES, 0x80 + random.below(0x40)), good: false }),
  'giant and cut off': () => ({ value: `["${'x'.repeat(GIANT_BYTES)}`, good: false }),
  'deeply nested': (random) => {
    const depth = 1_000 + random.below(100_000);
    return random.next() < 0.5
      ? { value: '['.repeat(depth) + ']'.repeat(depth), good: true }
      : { value: `${'{"a":'.repeat(depth)}0${'}'.repeat(depth)}`, good: true };
  },
  'deeply nested and cut off': (random) => ({ value: '[{"a":'.repeat(1_000 + random.below(100_000)), good: false }),
};

const SMALL: Record<string, Maker> = {
  null: () => ({ value: null, good: true }),
  empty: () => ({ value: '', good: false }),
  'random bytes': (random) => ({ value: bytes(random, 1 + random.below(200)) }),
  'not UTF-8': (random) => {
    const broken = random.pick([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]]);
    return { value: Buffer.concat([Buffer.from('"'), Buffer.from(broken), Buffer.from('"')]), good: false };
  },
  'a byte order mark': (random) => ({ value: `\ufeff${JSON.stringify(json(random))}`, good: false }),
  'plain text': (random) => ({ value: `not JSON ${text(random, random.below(50))}`, good: false }),
  JSON: (random) => ({ value: JSON.stringify(json(random)) }),
  'JSON cut off': (random) => {
    const whole = Buffer.from(JSON.stringify({ a: json(random) }));
    return { value: whole.subarray(0, random.below(whole.length)), good: false };
  },
  'JSON with a byte changed': (random) => {
    const whole = Buffer.from(JSON.stringify({ value: json(random), event: 'message', feedback_topic: null, source_group: 'fuzz' }));
    whole[random.below(whole.length)] = random.below(256);
    return { value: whole };
  },
  'strange JSON': (random) => ({
    value: random.pick([
      '1e400',
      '"\\ud800"',
      '{"__proto__":{"polluted":true},"constructor":1}',
      '{"event":"message","event":"other","value":1}',
      '{"toString":null,"hasOwnProperty":1}',
      ' \n\t[1] \r\n',
    ]),
    good: true,
  }),
  'an envelope': (random) => ({ value: envelope({ value: json(random) }), good: true }),
  'an envelope with strange numbers': (random) => {
    const number = () => random.pick<unknown>([-1, 0, 1e308, '7', null, {}, 0.5]);
    // No id that could be one: what has the id of another is the same message sent twice (F4).
    const id = random.pick<unknown>([7, null, {}, '', 'not an id', 'x'.repeat(1_000)]);
    return { value: envelope({ deadline: number(), timeout_ms: number(), credit: number(), id }), good: true };
  },
  'a foreign feedback key': (random) => ({
    value: envelope({
      feedback_topic: random.pick<unknown>(['session:admin', '', 'streamback_feedback_', 'streamback_feedback_\n', 7, {}, []]),
    }),
    good: false,
  }),
  'a foreign inbox': (random) => ({
    value: envelope({ inbox: random.pick<unknown>(['users', '', 'streamback_inbox_*', 7, null, []]) }),
    good: false,
  }),
};

/** So many values, the same for the same seed. @throws where what a value was made to be is not what it is */
export function fuzzedValues(random: Random, count: number): FuzzedValue[] {
  return Array.from({ length: count }, (_, n) => {
    const makers = n % 100 < Object.keys(LARGE).length ? LARGE : SMALL;
    const kind = makers === LARGE ? Object.keys(LARGE)[n % 100]! : random.pick(Object.keys(SMALL));
    const made = makers[kind]!(random);
    const value = made.value === null ? null : Buffer.from(made.value as string);
    const good = isReadable(value);
    if (made.good !== undefined && made.good !== good)
      throw new Error(`'${kind}' is not what it was made to be: ${String(value).slice(0, 200)}`);
    return { kind, value, good };
  });
}
