import { expect, it } from 'vitest';
import { decodeControl, encodeControl, type ControlMessage } from '../../../lib/protocol/control-message';

it.each<ControlMessage>([
  { control: 'cancel', id: 'r-1' },
  { control: 'credit', id: 'r-1', upTo: 0 },
  { control: 'credit', id: 'r-1', upTo: 512 },
])('%j comes back as it was', (message) => {
  expect(decodeControl(encodeControl(message))).toEqual(message);
});

it('drops fields that it does not know', () => {
  expect(decodeControl('{"control":"cancel","id":"r-1","upTo":5,"x":1}')).toEqual({ control: 'cancel', id: 'r-1' });
});

it.each([
  '',
  'x',
  'null',
  '[]',
  '{}',
  '{"control":"cancel"}',
  '{"control":"cancel","id":""}',
  '{"control":"cancel","id":"a b"}',
  '{"control":"cancel","id":7}',
  '{"control":"other","id":"r-1"}',
  '{"control":"__proto__","id":"r-1"}',
  '{"control":"credit","id":"r-1"}',
  '{"control":"credit","id":"r-1","upTo":-1}',
  '{"control":"credit","id":"r-1","upTo":1.5}',
  '{"control":"credit","id":"r-1","upTo":"5"}',
  '{"control":"credit","id":"r-1","upTo":1e400}',
  '{"__proto__":{"control":"cancel"},"id":"r-1"}',
])('%j is refused', (text) => {
  expect(() => decodeControl(text)).toThrow(expect.objectContaining({ code: 'MALFORMED_MESSAGE' }));
});
