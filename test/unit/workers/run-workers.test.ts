import { afterEach, expect, it } from 'vitest';
import { runWorkers, type RunWorkersOptions } from '../../../lib';

it.each([
  [{ poool: 1 }, 'poool'],
  [{ pool: 0 }, 'pool'],
  [{ pool: [] }, 'pool'],
  [{ pool: 'all' }, 'pool'],
  [{ rescaleIntervalMs: 99 }, 'rescaleIntervalMs'],
  [{ minWorkerAgeMs: -1 }, 'minWorkerAgeMs'],
  [{ maxTotalMemoryBytes: 0 }, 'maxTotalMemoryBytes'],
  [{ maxBlockedMs: 2_999 }, 'maxBlockedMs'],
])('refuses %j before it starts anything', async (options, option) => {
  const started = runWorkers(() => expect.fail('started'), options as RunWorkersOptions);
  await expect(started).rejects.toMatchObject({ code: 'INVALID_OPTION', option });
});

const { argv } = process;
afterEach(() => void (process.argv = argv));

it('refuses a process that runs no file, before it starts anything', async () => {
  process.argv = argv.slice(0, 1);
  const started = runWorkers(() => expect.fail('started'));
  await expect(started).rejects.toMatchObject({ code: 'INVALID_OPTION', remedy: 'Run the app from a file.' });
});
