import { describe, expect, it } from 'vitest';
import { StreambackConfigError } from '../../../lib/common/errors';
import { parseStreamsUrl, parseStreamUrl } from '../../../lib/streams/streams-url';

function refusal(work: () => unknown): StreambackConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof StreambackConfigError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('parseStreamsUrl', () => {
  it.each([
    ['main=kafka://a:9092&feedback=redis://b:6379', { main: 'kafka://a:9092', feedback: 'redis://b:6379' }],
    ['  main=kafka://a:9092 ', { main: 'kafka://a:9092' }],
    [
      'feedback=redis://b&main=kafka://a&topics_prefix=app&group=g',
      { main: 'kafka://a', feedback: 'redis://b', topicsPrefix: 'app', group: 'g' },
    ],
    ['main=kafka://u@p=q:h:1', { main: 'kafka://u@p=q:h:1' }],
    ['main=kafka://h:1?mechanism=plain', { main: 'kafka://h:1?mechanism=plain' }],
    ['memory://', { main: 'memory://', feedback: 'memory://' }],
    ['memory://here', { main: 'memory://here', feedback: 'memory://here' }],
    ['main=memory://', { main: 'memory://' }],
  ])('%s', (text, wanted) => expect(parseStreamsUrl(text)).toEqual(wanted));

  it.each([
    ['', 'unknown part ""'],
    ['kafka://a:9092', 'does not say which stream'],
    ['localhost:9092', 'does not say which stream'],
    ['redis://a', 'does not say which stream'],
    ['feedback=redis://b', "no 'main'"],
    ['main=', "empty 'main'"],
    ['main=kafka://a&feedback=', "empty 'feedback'"],
    ['main=kafka://a&main=kafka://b', "'main' twice"],
    ['main=kafka://a&', 'unknown part ""'],
    ['main=kafka://a&feedbak=redis://b', 'unknown part "feedbak"'],
    ['Main=kafka://a', 'unknown part "Main"'],
    ['main=kafka://a&__proto__=x', 'unknown part "__proto__"'],
    ['memory://&group=g', 'unknown part "memory://"'],
  ])('refuses %j', (text, why) => {
    expect(refusal(() => parseStreamsUrl(text))).toMatchObject({
      code: 'INVALID_STREAMS_URL',
      option: 'streams',
      message: expect.stringContaining(why),
    });
  });

  it.each([
    'main=kafka://a&feedback=redis://:se&cret@b',
    'main=kafka://a&feedback=redis://:pw&cret=1@b',
    'main=kafka://a&feedback=redis://:x&main=cret@b',
    'kafka://u:cret@a',
    'main=kafka://u@cret:h:1&main=kafka://u@cret:h:1',
  ])('does not tell a password in its error: %s', (text) => {
    const { message, remedy } = refusal(() => parseStreamsUrl(text));
    expect(message + remedy).not.toContain('cret');
  });
});

describe('parseStreamUrl', () => {
  const simple = { path: '', query: new Map() };
  it.each([
    ['kafka://a:9092', { ...simple, scheme: 'kafka', hosts: [{ host: 'a', port: 9092 }] }],
    ['KAFKA+SSL://A:9092', { ...simple, scheme: 'kafka+ssl', hosts: [{ host: 'A', port: 9092 }] }],
    ['kafka://a:1,b:2, c', { ...simple, scheme: 'kafka', hosts: [{ host: 'a', port: 1 }, { host: 'b', port: 2 }, { host: 'c' }] }],
    ['kafka://[::1]:9092,[fe80::1]', { ...simple, scheme: 'kafka', hosts: [{ host: '::1', port: 9092 }, { host: 'fe80::1' }] }],
    [
      'kafka://u:p@a:1,b:2',
      {
        ...simple,
        scheme: 'kafka',
        username: 'u',
        password: 'p',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
      },
    ],
    ['kafka://u@p:a:1', { ...simple, scheme: 'kafka', username: 'u', password: 'p', hosts: [{ host: 'a', port: 1 }] }],
    [
      'kafka://u@p:a:1,b:2',
      {
        ...simple,
        scheme: 'kafka',
        username: 'u',
        password: 'p',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
      },
    ],
    ['kafka://u@p:[::1]:1', { ...simple, scheme: 'kafka', username: 'u', password: 'p', hosts: [{ host: '::1', port: 1 }] }],
    ['kafka://u:p@a:1@b:2', { ...simple, scheme: 'kafka', username: 'u', password: 'p@a:1', hosts: [{ host: 'b', port: 2 }] }],
    ['redis://u@h:6379', { ...simple, scheme: 'redis', username: 'u', hosts: [{ host: 'h', port: 6379 }] }],
    ['redis://:p%40%2F%3a@h', { ...simple, scheme: 'redis', password: 'p@/:', hosts: [{ host: 'h' }] }],
    ['redis://%75:@h', { ...simple, scheme: 'redis', username: 'u', password: '', hosts: [{ host: 'h' }] }],
    ['redis://u:a:b@h', { ...simple, scheme: 'redis', username: 'u', password: 'a:b', hosts: [{ host: 'h' }] }],
    [
      'redis://h:6379/2?a=b%20c&d',
      {
        scheme: 'redis',
        hosts: [{ host: 'h', port: 6379 }],
        path: '2',
        query: new Map([
          ['a', 'b c'],
          ['d', ''],
        ]),
      },
    ],
    ['redis://h/a%2Fb', { scheme: 'redis', hosts: [{ host: 'h' }], path: 'a/b', query: new Map() }],
    ['memory://', { ...simple, scheme: 'memory', hosts: [] }],
    ['memory://name', { ...simple, scheme: 'memory', hosts: [{ host: 'name' }] }],
  ])('%s', (text, wanted) => expect(parseStreamUrl(text)).toEqual(wanted));

  it.each([
    '',
    'kafka',
    'kafka:a:1',
    '://a',
    '1kafka://a',
    'kafka://a:',
    'kafka://a:x',
    'kafka://a:0',
    'kafka://a:65536',
    'kafka://a:1,',
    'kafka://,a:1',
    'kafka://a:1,,b:1',
    'kafka://::1:9092',
    'kafka://[::1',
    'kafka://a b:1',
    'kafka://:9092',
    'kafka://a:1#x',
    'redis://u:%zz@h',
    'redis://h/%zz',
    'redis://u:p@h:1:2',
  ])('refuses %j', (text) => {
    expect(refusal(() => parseStreamUrl(text))).toMatchObject({ code: 'INVALID_STREAMS_URL', option: 'streams' });
  });

  it.each(['kafka://u:se/cret@h:1', 'kafka://u:%zzcret@h', 'kafka://u@cret:h', 'kafka://u@cret,b:h:x', 'redis://u:p#cret@h:1'])(
    'does not tell a password in its error: %s',
    (text) => expect(refusal(() => parseStreamUrl(text)).message).not.toContain('cret'),
  );
});
