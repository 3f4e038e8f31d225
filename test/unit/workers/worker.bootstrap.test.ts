import type { INestApplicationContext } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';
import { keepingSignals } from '../../../lib/workers/worker.bootstrap';

const APP = { enableShutdownHooks: () => APP } as unknown as INestApplicationContext;

describe('keepingSignals', () => {
  const before = process.listeners('SIGHUP');
  afterEach(() => {
    for (const listener of process.listeners('SIGHUP')) if (!before.includes(listener)) process.off('SIGHUP', listener);
  });

  it('answers alone to its signals, whatever the app has set up for them', async () => {
    let heard = 0;
    let appHeard = 0;
    const app = await keepingSignals(
      ['SIGHUP'],
      () => (heard += 1),
      async () => {
        process.on('SIGHUP', () => (appHeard += 1));
        process.emit('SIGHUP');
        return APP;
      },
    );
    process.emit('SIGHUP');
    expect(app).toBe(APP);
    expect([heard, appHeard]).toEqual([2, 1]);
  });

  it.each([undefined, null, {}])('refuses a bootstrap that returns %j in the place of the app', async (returned) => {
    const started = keepingSignals(
      ['SIGHUP'],
      () => undefined,
      () => Promise.resolve(returned as never),
    );
    await expect(started).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'bootstrap', remedy: "Write 'return app;' at its end." });
  });
});
