import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { Logger } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { StreambackClient } from '../../lib';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { startApp } from '../support/app-process';
import { CANARY_PASSWORD, takeLeaks } from '../support/canary';
import { RecordingLogger } from '../support/recording-logger';
import { startRedis } from '../support/redis';
import { describeWith } from '../support/servers';

const ROOT = resolve(__dirname, '../..');
const encoded = encodeURIComponent(CANARY_PASSWORD);

describe('the canary password', () => {
  it.each<[where: string, show: () => void]>([
    ['console', () => console.warn(`redis://:${encoded}@127.0.0.1`)],
    ['console', () => console.error(new Error('refused', { cause: { password: CANARY_PASSWORD } }))],
    ['stdout', () => process.stdout.write(`${CANARY_PASSWORD}\n`)],
    ['stderr', () => void [process.stderr.write(CANARY_PASSWORD.slice(0, 9)), process.stderr.write(`${CANARY_PASSWORD.slice(9)}\n`)]],
    ['stdout', () => new Logger('Canary').log(CANARY_PASSWORD)],
    ['logger.warn', () => SILENT_LOGGER.warn(CANARY_PASSWORD)],
    ['a log line', () => new RecordingLogger().debug(CANARY_PASSWORD)],
    ['an error', () => expect(new Error('refused', { cause: new Error(CANARY_PASSWORD) })).toMatchObject({ message: 'refused' })],
  ])('is noticed in %s', (where, show) => {
    show();
    expect(takeLeaks().some((leak) => leak.startsWith(where))).toBe(true);
  });

  it('is noticed in what an error is rejected with', async () => {
    await expect(Promise.reject(Object.assign(new Error('refused'), { command: { args: [CANARY_PASSWORD] } }))).rejects.toMatchObject({
      message: 'refused',
    });
    expect(takeLeaks()).not.toEqual([]);
  });

  it('is noticed in what apps print and send', async () => {
    const app = await startApp('test/security/canary/password.app.ts', { args: [CANARY_PASSWORD] });
    await app.next('word');
    await app.exited;
    const script = 'test/security/canary/password.app.ts';
    expect(
      takeLeaks()
        .map((leak) => leak.split(':')[0])
        .toSorted(),
    ).toEqual([`a message of ${script}`, `the output of ${script}`, `the output of ${script}`]);
  });

  it('fails the test that shows it, without showing it again', async () => {
    const args = ['run', '--root', 'test/security/canary', '--reporter=json'];
    const { code, output } = await new Promise<{ code: unknown; output: string }>((settle) =>
      execFile(resolve(ROOT, 'node_modules/.bin/vitest'), args, { cwd: ROOT }, (error, stdout) =>
        settle({ code: error?.code ?? 0, output: stdout }),
      ),
    );
    const { testResults } = JSON.parse(output.slice(output.indexOf('{"'))) as {
      testResults: { assertionResults: { title: string; status: string; failureMessages: string[] }[] }[];
    };
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    expect({ code, ends: tests.map(({ title, status }) => `${title}: ${status}`) }).toEqual({
      code: 1,
      ends: ['shows nothing: passed', 'shows the password: failed'],
    });
    expect(tests[1]!.failureMessages.join()).toContain('<the password>');
  });
});

describeWith(['own-redis', 'redis'], 'the canary password of a Redis', ({ redisUrl }) => {
  it.skipIf(process.env.STREAMBACK_TEST_REDIS_URL)('is what the run asks for', () => {
    expect(decodeURIComponent(new URL(redisUrl).password)).toBe(CANARY_PASSWORD);
  });

  it('is asked for, and in no error that a client gets where it is refused', async () => {
    const redis = await startRedis({ password: 'another' });
    const client = new StreambackClient({
      group: 'canary',
      streams: `main=memory://&feedback=redis://:${encoded}@127.0.0.1:${redis.port}`,
    });
    try {
      await expect(client.connect()).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' });
      expect(takeLeaks()).toEqual([]);
    } finally {
      await client.close();
      await redis.close();
    }
  });
});
