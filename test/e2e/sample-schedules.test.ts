import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeWithBrokers } from '../support/servers';

/** A process that does not end by itself is a failure. */
function expectTheTour(streams?: string): void {
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: undefined, STREAMBACK_STREAMS: streams };
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'start:schedules'], { env, encoding: 'utf8', timeout: 55_000 });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const lines = stdout.split('\n').map((line) => line.trim());
  expect(lines.filter((line) => /^check \d+$/.test(line))).toHaveLength(2);
  expect(lines.filter((line) => line === "report 'Sales'")).toHaveLength(2);
  expect(lines).toEqual(
    expect.arrayContaining(['cleaned all', "status: '* * * * * *', from decorator", "clean: '* * * * * *', from options", '2 are left']),
  );
}

describe('npm run start:schedules', () => {
  it('tours the schedules on memory streams, and ends by itself', () => expectTheTour());
});

describeWithBrokers('npm run start:schedules', ({ streams }) => {
  it('tours the schedules over Kafka and Redis, and ends by itself', () => expectTheTour(streams));
});
