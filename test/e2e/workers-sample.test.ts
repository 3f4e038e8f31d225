import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { describeWithBrokers } from '../support/servers';

/** Runs `npm run start:workers`; a process that does not end by itself is a failure. */
function tour(streams?: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: undefined, STREAMBACK_STREAMS: streams };
    const child = spawn('npm', ['run', '--silent', 'start:workers'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += String(chunk)));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

it('the sample with workers is one process on memory streams, says so, and ends by itself', async () => {
  const { code, output } = await tour();
  expect(code).toBe(0);
  expect(output).toContain('Workers share no memory streams');
  expect(output).toContain('300 thumbnails made by 1 process\n');
}, 120_000);

describeWithBrokers('the sample with workers', ({ streams }) => {
  it('scales over Kafka and Redis, and ends by itself', async () => {
    const { code, output } = await tour(streams);
    console.log(
      output
        .split('\n')
        .filter((line) => /workers\]|thumbnails/.test(line))
        .join('\n'),
    );
    expect(code).toBe(0);
    expect(output).toMatch(/workers started at a lag of \d+, 4 in all/);
    expect(output).toMatch(/\d+ thumbnails made by [2-4] processes\n/);
    expect(output).not.toContain('(this one)');
  }, 180_000);
});
