import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Kafka, logLevel } from 'kafkajs';
import { expect, it } from 'vitest';
import { guardProcess } from '../support/process-guard';
import { ping } from '../support/redis';
import { describeWith } from '../support/servers';

describeWith(['own-kafka', 'own-redis'], 'npm run servers', () => {
  it('starts Kafka and Redis, says where, and ends them at Ctrl-C', async () => {
    const script = spawn('npm', ['run', '--silent', 'servers'], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    guardProcess(script);
    // Not before the script itself has let go of the output: npm may be gone earlier.
    const ended = new Promise((resolve) => script.once('close', (code, signal) => resolve(code ?? signal)));
    let streams: RegExpExecArray | null = null;
    for await (const line of createInterface(script.stdout)) {
      streams = /^STREAMBACK_STREAMS='main=kafka:\/\/(127\.0\.0\.1:\d+)&feedback=redis:\/\/127\.0\.0\.1:(\d+)'$/.exec(line);
      if (streams) break;
    }
    const [, broker = '', redisPort] = streams ?? [];
    const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin();
    await admin.connect();
    await admin.disconnect();
    await ping(Number(redisPort));

    // Ctrl-C is for the whole group: npm, the shell and the script.
    process.kill(-script.pid!, 'SIGINT');
    script.stdout.resume();
    console.log('npm run servers ended with', await ended);
    await expect(ping(Number(redisPort))).rejects.toThrow('ECONNREFUSED');
    await expect(admin.connect()).rejects.toThrow('Connection error');
  }, 60_000);
});
