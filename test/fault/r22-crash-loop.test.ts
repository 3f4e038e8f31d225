import { lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { StreambackClient } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { FULL_SIZE, report } from '../support/report';
import { describeWithBrokers } from '../support/servers';
import { isAlive, startWorkersApp } from '../support/workers-app';

const LOOP_MS = FULL_SIZE ? 60_000 : 10_000;

describeWithBrokers('R22: a worker process crash-loops', ({ streams }) => {
  it(
    'restarts back off, siblings are unharmed, and no worker outlives a supervisor that is killed',
    async () => {
      const group = freshName('r22');
      const runWorkers = { rescaleIntervalMs: 100 };
      const app = await startWorkersApp({ streams, group, partitions: 2, processes: 2, crashProcesses: 1, failing: 'crash', runWorkers });
      const client = new StreambackClient({ group: 'tests', topicsPrefix: group, streams });
      try {
        const serving = () => app.reports('serving').map(({ pid }) => pid);
        const siblings = await eventually('the siblings serve', () => (serving().length === 3 ? serving() : undefined), {
          timeoutMs: 60_000,
        });
        const crashed = () =>
          app
            .log()
            .flatMap((line) => /ended by itself .* the next is started in (\d+) ms/.exec(line)?.[1] ?? [])
            .map(Number);
        await eventually('it crashes', () => crashed().length > 0, { timeoutMs: 30_000 });

        const until = performance.now() + LOOP_MS;
        let sent = 0;
        while (performance.now() < until) {
          await lastValueFrom(client.emit('jobs', sent++), { defaultValue: undefined });
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        const handled = () => app.reports('handled').map(({ id }) => id);
        await eventually('all are handled', () => new Set(handled()).size === sent, { timeoutMs: 60_000 });
        const delays = crashed();
        const lost = sent - new Set(handled()).size;
        const repeated = handled().length - sent + lost;
        const harmed = siblings.filter((pid) => !isAlive(pid)).length + serving().length - siblings.length;

        // The worst that can be left behind: one whose event loop is blocked.
        await lastValueFrom(client.emit('freeze', 0), { defaultValue: undefined });
        await eventually('one is blocked', () => app.reports('frozen').length === 1);
        const killedAt = performance.now();
        await app.kill('SIGKILL');
        await eventually('no orphan is left', () => !app.workers().some(isAlive), { timeoutMs: 30_000 });
        const goneMs = Math.round(performance.now() - killedAt);
        report('R22', {
          crashes: delays.length,
          firstDelayMs: delays[0]!,
          lastDelayMs: delays.at(-1)!,
          sent,
          lost,
          repeated,
          siblingsHarmed: harmed,
          orphans: app.workers().filter(isAlive).length,
          goneMs,
        });
        const tooSoon = delays.filter((delay, at) => delay < 0.8 * Math.min(500 * 2 ** at, 30_000));
        expect(tooSoon).toEqual([]);
        // Half a second, doubled: more do not fit.
        expect(delays.length).toBeLessThanOrEqual(Math.log2((LOOP_MS + 30_000) / 400) + 1);
        expect(harmed).toBe(0);
        expect(repeated).toBeLessThanOrEqual(sent / 100);
        expect(goneMs).toBeLessThan(10_000);
      } finally {
        await client.close();
        await app.kill();
        for (const pid of app.workers()) process.kill(pid, 'SIGKILL');
      }
    },
    LOOP_MS + 180_000,
  );
});
