import { describe, expect, it } from 'vitest';
import { classifyFailure, toConnectionError } from '../../../../lib/streams/kafka/kafka.errors';

describe('classifyFailure', () => {
  const login = (message: string): Error => Object.assign(new Error(message), { name: 'KafkaJSSASLAuthenticationError' });

  it('a login that a broken connection cut short is none that was refused', () => {
    expect(classifyFailure(login('SASL PLAIN authentication failed: Authentication failed: Invalid username or password'))).toBe(
      'authentication',
    );
    for (const why of [
      'Closed connection',
      'Connection closed by the server',
      'Not connected',
      'Connection error: read ECONNRESET',
      'Request SaslAuthenticate(key: 36, version: 1) timed out',
    ]) {
      expect(classifyFailure({ cause: login(`SASL PLAIN authentication failed: ${why}`) })).toBe('transient');
    }
  });
});

it('a group that shares no protocol with us is a conflict, which trying again does not mend', () => {
  const error = Object.assign(new Error('inconsistent'), { name: 'KafkaJSProtocolError', type: 'INCONSISTENT_GROUP_PROTOCOL' });
  expect(classifyFailure({ cause: error })).toBe('group-conflict');
  expect(toConnectionError({ cause: error }, 'Joining')).toMatchObject({ code: 'GROUP_CONFLICT', retryable: false });
});
