import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeWithBrokers } from '../support/servers';

interface Tour {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly errors: string;
  /** From `npm start` to the first answer, building included. */
  readonly firstAnswerMs: number;
}

/** Runs `npm start` as a newcomer does; a process that does not end by itself is a failure. */
function tour(streams?: string): Promise<Tour> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: undefined, STREAMBACK_STREAMS: streams };
    const child = spawn('npm', ['start', '--silent'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors, firstAnswerMs] = ['', '', NaN];
    child.stdout.on('data', (chunk: Buffer) => {
      output += String(chunk);
      if (Number.isNaN(firstAnswerMs) && output.includes('   42\n')) firstAnswerMs = performance.now() - startedAt;
    });
    child.stderr.on('data', (chunk: Buffer) => (errors += String(chunk)));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, lines: output.split('\n').map((line) => line.trim()), errors, firstAnswerMs }));
  });
}

async function expectTheTour(streams?: string): Promise<void> {
  const { code, lines, firstAnswerMs } = await tour(streams);
  console.log(`npm start to the first answer, ${streams ? 'Kafka and Redis' : 'memory'}: ${Math.round(firstAnswerMs)} ms`);
  expect(code).toBe(0);
  expect(lines).toEqual(
    expect.arrayContaining([
      "(the consumer was told of 'Sales')",
      '42',
      ...['page 1', 'page 2', 'page 3', 'page 4', 'page 5'],
      "{ status: 'error', message: 'The printer is on fire' }",
      '(the handler was stopped)',
    ]),
  );
  expect(lines.filter((line) => line.startsWith('page'))).toHaveLength(7);
}

describe('npm start', () => {
  it('tours the quickstart on memory streams, and ends by itself', () => expectTheTour());
});

describeWithBrokers('npm start', ({ streams }) => {
  it('tours the quickstart over Kafka and Redis, and ends by itself', () => expectTheTour(streams));
});
