import { afterEach, expect, it } from 'vitest';
import { lastValueFrom } from 'rxjs';
import { StreambackClient } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';
import { isAlive, startWorkersApp, type WorkersApp, type WorkersAppOptions } from '../support/workers-app';

describeWithBrokers('workers', ({ streams }) => {
  const apps: WorkersApp[] = [];
  const clients: StreambackClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
    for (const app of apps.splice(0)) {
      const workers = app.workers();
      await app.kill();
      await eventually('its workers are gone', () => !workers.some(isAlive), { timeoutMs: 30_000 });
    }
  });

  async function start(options: Omit<WorkersAppOptions, 'streams' | 'group'>): Promise<{ app: WorkersApp; client: StreambackClient }> {
    const group = freshName('workers');
    const app = await startWorkersApp({
      streams,
      group,
      ...options,
      runWorkers: { rescaleIntervalMs: 200, minWorkerAgeMs: 1_000, ...options.runWorkers },
    });
    apps.push(app);
    await eventually('the parent is up', () => app.reports('up').length === 1 || undefined, { timeoutMs: 30_000 });
    const client = new StreambackClient({ group: 'tests', topicsPrefix: group, streams });
    clients.push(client);
    return { app, client };
  }

  const serving = (app: WorkersApp, pattern: string, count: number): Promise<unknown> =>
    eventually(
      `${count} workers of '${pattern}' serve`,
      () => {
        const pids = app.workers(pattern);
        return pids.length === count && pids.every((pid) => app.reports('serving').some((each) => each.pid === pid));
      },
      { timeoutMs: 40_000 },
    );

  const emit = (client: StreambackClient, ids: readonly number[]): Promise<unknown> =>
    Promise.all(ids.map((id) => lastValueFrom(client.emit('jobs', id), { defaultValue: undefined })));

  it('a burst takes a topic of 4 partitions from 1 worker to 4 and back, though 8 are wanted; nothing is lost', async () => {
    const { app, client } = await start({
      partitions: 4,
      processes: [
        [20, 1],
        [1_000, 8],
      ],
      jobMs: 20,
    });
    await serving(app, 'jobs', 1);
    const ids = Array.from({ length: 4_000 }, (_, id) => id);
    await emit(client, ids);
    await serving(app, 'jobs', 4);
    let most = 4;
    await eventually(
      'all are handled',
      () => {
        most = Math.max(most, app.workers('jobs').length);
        return new Set(app.reports('handled').map(({ id }) => id)).size === ids.length;
      },
      { timeoutMs: 60_000 },
    );
    await eventually('one is left', () => app.workers('jobs').length === 1, { timeoutMs: 60_000 });
    const handled = app.reports('handled').map(({ id }) => id);
    const counts = { sent: ids.length, lost: ids.length - new Set(handled).size, repeated: handled.length - new Set(handled).size, most };
    const seen = new Map<number, string[]>();
    for (const { id, at, pid } of app.reports('handled')) seen.set(id!, [...(seen.get(id!) ?? []), `${at} by ${pid}`]);
    console.log([...seen].filter(([, ats]) => ats.length > 1));
    console.log(`burst: ${JSON.stringify(counts)}\n${app.log().join('\n')}`);
    expect(counts).toEqual({ sent: ids.length, lost: 0, repeated: 0, most: 4 });
    expect(app.log().filter((line) => line.includes('4 partitions'))).toHaveLength(1);
  }, 180_000);
});
