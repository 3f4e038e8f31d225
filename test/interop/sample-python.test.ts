import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RedisServer } from '../support/redis';
import { describeWith } from '../support/servers';
import { startPlainRedis } from './interop-setup';

describeWith(['kafka', 'own-redis', 'python'], 'npm run start:python', ({ kafkaUrl, pythonPath }) => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startPlainRedis();
  });
  afterAll(() => redis?.close());

  const run = (streams: string | undefined, python = pythonPath) => {
    const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: undefined, STREAMBACK_STREAMS: streams, PYTHON: python };
    const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'start:python'], { env, encoding: 'utf8', timeout: 110_000 });
    return { status, lines: stdout.split('\n').map((line) => line.trim()), stderr };
  };

  it('has a Python service answer, is asked by a Python client, and ends by itself', { timeout: 120_000 }, () => {
    const { status, lines } = run(`main=${kafkaUrl}&feedback=${redis.url}`);
    const got = lines.filter((line) => line.includes(' got '));
    expect({ status, got }).toEqual({
      status: 0,
      got: ['nest got a', 'nest got lazy', 'nest got dog', 'python got FROM', 'python got PYTHON'],
    });
  });

  it('ends at once where Python has no streamback, and says what to do', () => {
    const startedAt = performance.now();
    const { status, stderr } = run(`main=${kafkaUrl}&feedback=${redis.url}`, 'false');
    expect(status).toBe(1);
    expect(stderr).toContain("service.py ended with 1: does 'false' have streamback==0.5.1? PYTHON names another interpreter.");
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });

  it('says what it needs where there is none', () => {
    const { status, lines } = run(undefined);
    expect(status).toBe(0);
    expect(lines.join(' ')).toContain('Python needs a real Kafka and Redis');
  });
});
