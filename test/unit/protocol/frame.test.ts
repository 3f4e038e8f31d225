import { describe, expect, it } from 'vitest';
import { decodeFrame, FrameEncoder, numbersOf, pythonFrames } from '../../../lib/protocol/frame';

const RUN = { id: 'r-1', sourceGroup: 'reports', run: 3, attempt: 1, instance: 'streamback_inbox_c' };
const decode = (text: string) => {
  const { bytes: _bytes, ...frame } = decodeFrame(Buffer.from(text, 'utf8'));
  return frame;
};

describe('frames for Python', () => {
  it('are those of Python, field by field, and nothing else', () => {
    expect(pythonFrames.response('{"hello":"world","n":1}', 'py-server').toString()).toBe(
      '{"value":{"hello":"world","n":1},"event":"response","source_group":"py-server"}',
    );
    expect(pythonFrames.end('py-server').toString()).toBe('{"event":"response_end","error":null,"source_group":"py-server"}');
    expect(pythonFrames.endWithError("Exception('boom')", 'py-server').toString()).toBe(
      `{"event":"response_end_with_error","error":"Exception('boom')","source_group":"py-server"}`,
    );
  });

  it('escape what is text', () => {
    expect(JSON.parse(pythonFrames.endWithError('a"b\nü', 'g"').toString())).toEqual({
      event: 'response_end_with_error',
      error: 'a"b\nü',
      source_group: 'g"',
    });
  });
});

describe('frames that Python sent', () => {
  it('decode, byte for byte as Python writes them', () => {
    expect(decode('{"value": {"hello": "world", "n": 1}, "event": "response", "source_group": "py-server"}')).toEqual({
      event: 'response',
      values: [{ hello: 'world', n: 1 }],
      sourceGroup: 'py-server',
    });
    expect(decode('{"event": "response_end", "error": null, "source_group": "py-server"}')).toEqual({
      event: 'response_end',
      values: [],
      sourceGroup: 'py-server',
    });
    expect(decode(`{"event": "response_end_with_error", "error": "Exception('boom')", "source_group": "py-server"}`)).toEqual({
      event: 'response_end_with_error',
      values: [],
      error: "Exception('boom')",
      sourceGroup: 'py-server',
    });
  });
});

describe('FrameEncoder', () => {
  it('numbers the frames of a run, whatever they are', () => {
    const encoder = new FrameEncoder(RUN);
    const tail = (seq: number) => `"source_group":"reports","id":"r-1","run":3,"attempt":1,"instance":"streamback_inbox_c","seq":${seq}}`;
    expect(encoder.accepted()).toBe(`{"event":"accepted",${tail(0)}`);
    expect(encoder.response(['[1]'])).toBe(`{"event":"response","value":[1],${tail(1)}`);
    expect(encoder.end()).toBe(`{"event":"response_end","error":null,${tail(2)}`);
    expect(new FrameEncoder(RUN).end(['7'])).toBe(`{"event":"response_end","value":7,"error":null,${tail(0)}`);
    expect(new FrameEncoder(RUN).endWithError('no "way"', '{"value":{"a":1}}')).toBe(
      `{"event":"response_end_with_error","error":"no \\"way\\"","details":{"value":{"a":1}},${tail(0)}`,
    );
  });

  it('puts answers that come together in one frame, which takes a number for each', () => {
    const encoder = new FrameEncoder(RUN);
    const frames = [encoder.response(['1', 'null', '[2]']), encoder.response(['4']), encoder.end(['5', '6'])].map((json) =>
      decodeFrame(json),
    );
    expect(frames).toMatchObject([
      { event: 'response', values: [1, null, [2]], seq: 0 },
      { event: 'response', values: [4], seq: 3 },
      { event: 'response_end', values: [5, 6], seq: 4 },
    ]);
    expect(frames.map(numbersOf)).toEqual([3, 1, 2]);
  });

  it('is undone by decodeFrame', () => {
    expect(decodeFrame(new FrameEncoder(RUN).end(['null']))).toEqual({
      event: 'response_end',
      values: [null],
      ...RUN,
      seq: 0,
      bytes: expect.any(Number),
    });
    expect(decodeFrame(new FrameEncoder(RUN).endWithError('x', '{"code":"TOO_LARGE"}'))).toMatchObject({
      error: 'x',
      details: { code: 'TOO_LARGE' },
    });
  });
});

describe('decodeFrame', () => {
  it.each([
    '',
    'x',
    '1',
    'null',
    '[]',
    '"response"',
    '{}',
    '{"event":"other"}',
    '{"event":7,"id":""}',
    '{"event":"response"',
    '\ufeff{"event":"response"}',
  ])('refuses %j', (text) => expect(() => decode(text)).toThrow(expect.objectContaining({ code: 'MALFORMED_MESSAGE' })));

  it('refuses bytes that are not UTF-8', () => {
    expect(() => decodeFrame(Buffer.from('{"event":"response","value":"\xff"}', 'latin1'))).toThrow(
      expect.objectContaining({ code: 'MALFORMED_MESSAGE' }),
    );
  });

  it('lets a frame of an unknown kind through where it names its request, so that the lane can err', () => {
    expect(decode('{"event":"other","id":"r-1"}')).toMatchObject({ event: 'unreadable', id: 'r-1' });
    expect(decode('{"id":"r-1"}')).toMatchObject({ event: 'unreadable', id: 'r-1' });
    for (const event of ['__proto__', 'constructor', 'toString'])
      expect(decode(JSON.stringify({ event, id: 'r-1' })).event).toBe('unreadable');
  });

  it('keeps every value, the falsy ones too, and tells a missing one', () => {
    for (const value of [null, 0, false, '', []])
      expect(decode(JSON.stringify({ event: 'response', value }))).toMatchObject({ values: [value] });
    expect(decode('{"event":"response"}').values).toEqual([]);
  });

  it('makes text of an error that is none', () => {
    expect(decode('{"event":"response_end_with_error","error":{"a":1}}').error).toBe('{"a":1}');
    expect(decode('{"event":"response_end_with_error","error":7}').error).toBe('7');
    expect(decode('{"event":"response_end_with_error"}').error).toBeUndefined();
  });

  it('ignores ranks and names that cannot be', () => {
    for (const rank of [-1, 1.5, '1', null, 2 ** 53, {}]) {
      expect(decode(JSON.stringify({ event: 'response', seq: rank, run: rank, attempt: rank }))).toEqual({
        event: 'response',
        values: [],
        sourceGroup: null,
      });
    }
    expect(decode('{"event":"response","seq":1e400}').seq).toBeUndefined();
    for (const name of ['', 'redis-key', 'streamback_feedback_1', 'streamback_inbox_', 7]) {
      expect(decode(JSON.stringify({ event: 'response', instance: name })).instance).toBeUndefined();
    }
    for (const id of ['', 'a b', 7]) expect(decode(JSON.stringify({ event: 'response', id })).id).toBeUndefined();
    for (const details of ['x', [], null]) expect(decode(JSON.stringify({ event: 'response', details })).details).toBeUndefined();
  });

  it('takes a value that is 10,000 levels deep', () => {
    expect(decode(`{"event":"response","value":${'['.repeat(10_000)}${']'.repeat(10_000)}}`).values).toHaveLength(1);
  });
});
