import { expect, it } from 'vitest';
import { eventually } from '../support/eventually';
import { startWorkersApp } from '../support/workers-app';

it('memory streams are one process, with a warning', async () => {
  const app = await startWorkersApp({ streams: 'memory://', group: 'memory', processes: 2 });
  await eventually('it is up', () => app.reports('up').length === 1, { timeoutMs: 30_000 });
  expect(app.output).toContain('Workers share no memory streams: this process listens to everything itself');
  process.kill(app.pid, 'SIGTERM');
  expect(await app.exited).toEqual({ code: null, signal: 'SIGTERM' });
  expect(app.reports('starting')).toHaveLength(1);
});

it.each(['garbage', '{}', '{"id":1,"counter":0,"endWithinMs":1,"patterns":[],"listeners":[["a"]]}'])(
  'STREAMBACK_WORKER set by somebody else to %s is refused',
  async (given) => {
    const app = await startWorkersApp({ streams: 'memory://', group: 'memory' }, { STREAMBACK_WORKER: given });
    expect((await app.exited).code).toBe(1);
    expect(app.output).toContain("code: 'INVALID_OPTION'");
    expect(app.output).toContain('Unset STREAMBACK_WORKER');
  },
);
