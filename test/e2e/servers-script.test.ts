import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Kafka, logLevel } from 'kafkajs';
import { expect, it, onTestFinished } from 'vitest';
import { guardProcess } from '../support/process-guard';
import { ping } from '../support/redis';
import { describeWith } from '../support/servers';

describeWith(['own-kafka', 'own-redis'], 'npm run servers', () => {
  it('starts Kafka and Redis, says where, and ends them at Ctrl-C', async () => {
    const script = spawn('npm', ['run', '--silent', 'servers'], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    guardProcess(script);
    onTestFinished(() => {
      try {
        process.kill(-script.pid!, 'SIGKILL');
      } catch {
        // All of the group are gone.
      }
    });
    const lines = createInterface(script.stdout)[Symbol.asyncIterator]();
    const lineWith = async (pattern: RegExp): Promise<RegExpExecArray> => {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`no line ${pattern}`);
        const found = pattern.exec(value);
        if (found) return found;
      }
    };
    const [, broker, port] = await lineWith(
      /^STREAMBACK_STREAMS='main=kafka:\/\/(127\.0\.0\.1:\d+)&feedback=redis:\/\/127\.0\.0\.1:(\d+)'$/,
    );
    const admin = new Kafka({ brokers: [broker!], logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin();
    await admin.connect();
    await admin.disconnect();
    await ping(Number(port));

    // Ctrl-C is for the whole group: npm, the shell and the script.
    process.kill(-script.pid!, 'SIGINT');
    await lineWith(/^Both have ended\.$/);
    await expect(ping(Number(port))).rejects.toThrow('ECONNREFUSED');
    await expect(admin.connect()).rejects.toThrow('Connection error');
  }, 60_000);
});
