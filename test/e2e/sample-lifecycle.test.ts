import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeWithBrokers } from '../support/servers';

/** A process that does not end by itself is a failure. */
function expectTheTour(streams?: string): void {
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: undefined, STREAMBACK_STREAMS: streams };
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'start:lifecycle'], { env, encoding: 'utf8', timeout: 55_000 });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const lines = stdout.split('\n').map((line) => line.trim());
  const noted = (pattern: string): string[] => lines.filter((line) => line.startsWith(`audit: ${pattern}`));
  expect(noted('orders.ship')).toEqual([
    'audit: orders.ship begins',
    'audit: orders.ship ends as done, with 3 answers',
    'audit: orders.ship begins',
    'audit: orders.ship was stopped: CANCELLED',
    expect.stringMatching(/^audit: orders\.ship ends as cancelled, with \d+ answers$/),
  ]);
  expect(noted('orders.paid')).toEqual([
    'audit: orders.paid begins',
    'audit: orders.paid failed at attempt 1, and is tried again in 100 ms',
    'audit: orders.paid ends as done, with 0 answers',
  ]);
  expect(noted('orders.lost')).toEqual([
    'audit: orders.lost begins',
    'audit: orders.lost failed: Error: nobody knows where it is',
    'audit: orders.lost ends as failed, with 0 answers',
  ]);
  expect(lines).toContain('audit: a message of orders.lost was put aside after 1 try');
  expect(lines).toContain('slow: orders.ship takes more than 200 ms');
  expect(lines).toContain('4 messages handled');
}

describe('npm run start:lifecycle', () => {
  it('tours the hooks on memory streams, and ends by itself', () => expectTheTour());
});

describeWithBrokers('npm run start:lifecycle', ({ streams }) => {
  it('tours the hooks over Kafka and Redis, and ends by itself', () => expectTheTour(streams));
});
