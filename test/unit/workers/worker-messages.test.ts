import { describe, expect, it } from 'vitest';
import { isWorkerMessage, readAssignment } from '../../../lib/workers/worker-messages';

const ASSIGNMENT = { id: 3, counter: 0, patterns: ['a'], listeners: [['default', 'a']], endWithinMs: 18_000 };

describe('readAssignment', () => {
  it('reads what a supervisor writes', () => {
    expect(readAssignment(JSON.stringify(ASSIGNMENT))).toEqual(ASSIGNMENT);
  });

  it.each([
    '',
    'garbage',
    'null',
    '1',
    '[]',
    '{}',
    ...Object.keys(ASSIGNMENT).map((name) => JSON.stringify({ ...ASSIGNMENT, [name]: 'x' })),
  ])('refuses %s', (given) => {
    expect(() => readAssignment(given)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option: 'STREAMBACK_WORKER' }));
  });
});

it("tells its own messages from the app's", () => {
  expect([null, undefined, 1, 'worker', [], {}, { streamback: 'other' }, { type: 'worker' }].map(isWorkerMessage)).not.toContain(true);
  expect(isWorkerMessage({ streamback: 'worker', state: 'serving', rssBytes: 1 })).toBe(true);
});
