import { describe, expect, it } from 'vitest';
import type { StreambackOptions } from '../../../lib';
import { connectionOptions } from '../../../lib/transport/connection-options';

const made = (more: object) => connectionOptions({ group: 'g', streams: 'memory://', ...more } as StreambackOptions);

describe('options of requests and lists', () => {
  it.each([
    [
      { requestOptions: { 'old.service': { feedbak: 'list' } } },
      'requestOptions.old.service.feedbak',
      "Did you mean 'requestOptions.old.service.feedback'?",
    ],
    [{ requestOptions: { 'old.service': { feedback: 'lists' } } }, 'requestOptions.old.service.feedback', '"inbox" or "list"'],
    [{ requestOptions: { 'old.service': 'list' } }, 'requestOptions', "'old.service' is none"],
    [{ requestOptions: { 'old.service': { key: 'k' } } }, 'requestOptions.old.service.key', 'There is no option'],
    [{ requestOptions: [] }, 'requestOptions', 'an object'],
    [{ defaultRequestOptions: { fromGroup: '' } }, 'defaultRequestOptions.fromGroup', 'a string that is not empty'],
    [{ listenOnly: 'echo' }, 'listenOnly', 'an array of patterns'],
    [{ listenOnly: [''] }, 'listenOnly', 'an array of patterns'],
    [{ listenOnly: [{ cmd: 'sum' }] }, 'listenOnly', "'listenOnly' must be an array of patterns as text"],
    [{ streams: 'main=kafka://a&topics_prefix=a/b' }, 'streams.topics_prefix', '"a/b"'],
    [{ kafka: { consumer: { group_instance_id: 'a' } } }, 'kafka.consumer.group_instance_id', 'Static membership'],
    [{ kafka: { consumer: { 'group.instance.id': 'a' } } }, 'kafka.consumer.group.instance.id', 'Static membership'],
    [{ bigint: 1 }, 'bigint', 'true or false'],
    [{ kafka: { partitioner: 'java' } }, 'kafka.partitioner', '"murmur2" or "crc32"'],
  ])('%j is refused by name', (options, option, text) => {
    expect(() => made(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option, message: expect.stringContaining(text) }),
    );
  });

  it.each([[{ listenOnly: [1] }], [{ requestOptions: { old: 'list' } }]])(
    'does not say that it wants an array and not an array: %j',
    (options) => {
      expect(() => made(options)).toThrow(expect.objectContaining({ message: expect.not.stringMatching(/, not an (array|object)$/) }));
    },
  );

  it('has defaults', () => {
    expect(made({})).toMatchObject({ requestOptions: {}, listenOnly: undefined, bigint: false });
    expect(made({ requestOptions: { a: { feedback: 'list' } }, listenOnly: [] })).toMatchObject({
      requestOptions: { a: { feedback: 'list' } },
      listenOnly: [],
    });
  });
});
