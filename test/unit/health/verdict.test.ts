import { describe, expect, it } from 'vitest';
import { StreambackConnectionError } from '../../../lib/common/errors';
import type { ConsumerFacts } from '../../../lib/consumer/consumer-facts';
import { live, ready, type ConnectionFacts, type StreamFacts } from '../../../lib/health/verdict';

const answers = (name: string): StreamFacts => ({ name, status: 'connected', answer: { kind: 'answered' } });
const silent = (name: string): StreamFacts => ({ name, status: 'connected', answer: { kind: 'silent', forMs: 2_000 } });
const failed = (name: string, error: unknown): StreamFacts => ({ name, status: 'connected', answer: { kind: 'failed', error } });
const listening: ConsumerFacts = {
  group: 'reports',
  failure: undefined,
  joined: true,
  closing: false,
  assignedPartitions: 3,
  inFlight: 0,
  progress: 10,
  heartbeat: { ageMs: 900, timeoutMs: 30_000 },
};
const well: ConnectionFacts = { main: answers('kafka'), feedback: answers('redis'), consumer: listening, lag: 0, stalledMs: 0 };
const withConsumer = (changed: Partial<ConsumerFacts>): ConnectionFacts => ({ ...well, consumer: { ...listening, ...changed } });

describe('ready and live', () => {
  it.each<[string, ConnectionFacts]>([
    ['one that works', well],
    ['one that only sends', { main: answers('kafka'), feedback: answers('redis'), stalledMs: 0 }],
    ['one way only', { main: answers('kafka'), consumer: listening, stalledMs: 0 }],
    ['more members than partitions', withConsumer({ assignedPartitions: 0 })],
    ['a handler at work for minutes', { ...withConsumer({ inFlight: 1 }), lag: 1 }],
    ['a heartbeat that is late', withConsumer({ heartbeat: { ageMs: 15_000, timeoutMs: 30_000 } })],
    ['a rebalance', { ...well, main: { ...answers('kafka'), status: 'rebalancing' } }],
    ['a stream without heartbeats', withConsumer({ heartbeat: undefined })],
  ])('%s is both', (_what, facts) => {
    expect(ready(facts)).toMatchObject({ status: 'up' });
    expect(ready(facts)).not.toHaveProperty('reason');
    expect(live(facts)).toMatchObject({ status: 'up' });
  });

  it('tells the figures, and null where there are none', () => {
    expect(ready(well)).toEqual({
      status: 'up',
      main: 'up',
      feedback: 'up',
      assignedPartitions: 3,
      heartbeatAgeMs: 900,
      lag: 0,
      inFlight: 0,
    });
    expect(ready({ main: answers('kafka'), stalledMs: 0 })).toEqual({
      status: 'up',
      main: 'up',
      feedback: null,
      assignedPartitions: null,
      heartbeatAgeMs: null,
      lag: null,
      inFlight: 0,
    });
  });

  const unreachable = new StreambackConnectionError('UNREACHABLE', 'Redis at redis://user:canary-secret@cache:6379 cannot be reached.');
  it.each<[string, ConnectionFacts, RegExp, Partial<Record<'main' | 'feedback', string>>]>([
    [
      'a socket that is open and silent',
      { ...well, feedback: silent('redis') },
      /No answer from redis within 2000 ms\. Check/,
      { feedback: 'down' },
    ],
    [
      'an error',
      { ...well, feedback: failed('redis', unreachable) },
      /UNREACHABLE: .*cannot be reached\. Check that/,
      { feedback: 'down' },
    ],
    ['a main stream that fails', { ...well, main: failed('kafka', new TypeError('odd')) }, /odd\./, { main: 'down' }],
    ['a connection that is not back', { ...well, main: { ...answers('kafka'), status: 'reconnecting' } }, /tried again/, { main: 'down' }],
    ['a group that is being joined', withConsumer({ joined: false }), /'reports' is being joined\. Wait/, {}],
    ['a group that cannot be joined', withConsumer({ joined: false, failure: unreachable }), /Not listening yet .*UNREACHABLE/, {}],
    ['a server that closes', withConsumer({ closing: true }), /closing/, {}],
    ['a lost membership', withConsumer({ heartbeat: { ageMs: 15_001, timeoutMs: 30_000 } }), /group 'reports' for 15001 ms/, {}],
  ])('%s is not ready, and no reason to restart', (_what, facts, reason, streams) => {
    const health = ready(facts);
    expect(health).toMatchObject({ status: 'down', main: 'up', feedback: 'up', ...streams });
    expect(health.reason).toMatch(reason);
    expect(health.reason).not.toContain('canary-secret');
    expect(live(facts).status).toBe('up');
  });

  it.each<[string, ConnectionFacts]>([
    ['work that comes in and is not done', { ...well, lag: 7, stalledMs: 60_001 }],
    ['heartbeats that ended long ago, unnoticed', withConsumer({ heartbeat: { ageMs: 90_001, timeoutMs: 30_000 } })],
  ])('%s is a reason to restart', (_what, facts) => {
    expect(ready(facts).status).toBe('down');
    expect(live(facts)).toMatchObject({ status: 'down', reason: expect.stringContaining('Restart') as string });
    // Where the broker does not answer, or the stream knows and tries again, a restart mends nothing.
    expect(live({ ...facts, main: silent('kafka') }).status).toBe('up');
  });

  it('a consumer that knows that it is out of its group is not restarted', () => {
    const facts = withConsumer({ heartbeat: { ageMs: 600_000, timeoutMs: 30_000 } });
    expect(live({ ...facts, main: { ...answers('kafka'), status: 'reconnecting' } }).status).toBe('up');
  });

  it('names all that is wrong', () => {
    const { reason } = ready({ ...well, main: silent('kafka'), feedback: silent('redis') });
    expect(reason).toMatch(/kafka.*redis/);
  });
});
