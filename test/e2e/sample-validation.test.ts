import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeWithBrokers } from '../support/servers';

/** A process that does not end by itself is a failure. */
function expectTheTour(streams?: string): void {
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: undefined, STREAMBACK_STREAMS: streams };
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'start:validation'], { env, encoding: 'utf8', timeout: 55_000 });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const lines = stdout.split('\n').map((line) => line.trim());
  expect(lines).toEqual(
    expect.arrayContaining(['Ada owes 18.00, 2026', 'not valid: customer, lines.0.count', '1620', 'Grace owes 18.00, 2026']),
  );
}

describe('npm run start:validation', () => {
  it('tours DTOs and mapped answers on memory streams, and ends by itself', () => expectTheTour());
});

describeWithBrokers('npm run start:validation', ({ streams }) => {
  it('tours DTOs and mapped answers over Kafka and Redis, and ends by itself', () => expectTheTour(streams));
});
