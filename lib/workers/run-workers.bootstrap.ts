import { Logger, type INestApplicationContext } from '@nestjs/common';
import { aCount, aDuration, checkOptions, type OptionRules } from '../common/option-rules';
import { takeProcessRole, type WorkerAssignment, type WorkerInfo } from '../common/process-role';
import { scaleOf, type StreambackProcesses } from './scale';
import { Supervisor } from './supervisor';
import { BEAT_MS, WORKER_VARIABLE, type WorkerMessage } from './worker-messages';

/** How `runWorkers` keeps its workers. */
export interface RunWorkersOptions {
  /** Workers of the listeners without `processes`, together: as `processes`. @default 1 */
  readonly pool?: StreambackProcesses | undefined;
  /** Between looks at the lag, in ms. @default 1_000 */
  readonly rescaleIntervalMs?: number | undefined;
  /** A younger worker is not ended for want of lag, in ms. @default 10_000 */
  readonly minWorkerAgeMs?: number | undefined;
  /** Memory (RSS) of all workers beyond which none is added; the first of a set always starts. @default none */
  readonly maxTotalMemoryBytes?: number | undefined;
  /** A worker whose event loop is silent for longer is replaced, in ms. @default 30_000 */
  readonly maxBlockedMs?: number | undefined;
}

/** What `main.ts` does to start the app; given a worker's facts within a worker. Returns the app, so that it can be drained. */
export type WorkerBootstrap<App extends INestApplicationContext = INestApplicationContext> = (worker?: WorkerInfo) => Promise<App>;

const RUN_WORKERS_RULES: OptionRules<RunWorkersOptions> = {
  pool: (value, path) => void scaleOf(value as StreambackProcesses, path),
  rescaleIntervalMs: aDuration(100),
  minWorkerAgeMs: aDuration(0),
  maxTotalMemoryBytes: aCount(1),
  maxBlockedMs: aDuration(2 * BEAT_MS),
};

/**
 * Runs the listeners of an app in worker processes, as many as their lag asks for. The parent runs the app too: it knows the listeners
 * from it, serves HTTP and fires schedules, but does not consume. A worker is this program started again, whose `bootstrap` is given
 * the worker's facts. SIGTERM drains all workers, then the parent; SIGHUP replaces every worker by a new one that serves first.
 * @throws StreambackConfigError INVALID_OPTION; what `bootstrap` throws
 */
export async function runWorkers<App extends INestApplicationContext>(
  bootstrap: WorkerBootstrap<App>,
  options: RunWorkersOptions = {},
): Promise<App> {
  const given = process.env[WORKER_VARIABLE];
  if (given !== undefined) return runWorker(bootstrap, JSON.parse(given) as WorkerAssignment);
  checkOptions(options, RUN_WORKERS_RULES, 'runWorkers');
  const supervisor = new Supervisor({
    pool: options.pool ?? 1,
    rescaleIntervalMs: options.rescaleIntervalMs ?? 1_000,
    minWorkerAgeMs: options.minWorkerAgeMs ?? 10_000,
    maxTotalMemoryBytes: options.maxTotalMemoryBytes ?? Infinity,
    maxBlockedMs: options.maxBlockedMs ?? 30_000,
    logger: new Logger('Streamback:workers'),
  });
  takeProcessRole({ kind: 'supervisor', supervisor });
  const app = await withoutHangup(bootstrap);
  app.enableShutdownHooks(SHUTDOWN_SIGNALS);
  process.on('SIGHUP', () => void supervisor.roll());
  supervisor.start();
  return app;
}

/** SIGHUP is a rolling restart: to Nest's shutdown hooks, where an app enables them all, it would be the end. */
const SHUTDOWN_SIGNALS = ['SIGTERM', 'SIGINT'];

async function withoutHangup<App>(bootstrap: () => Promise<App>): Promise<App> {
  const before = new Set(process.listeners('SIGHUP'));
  const app = await bootstrap();
  for (const listener of process.listeners('SIGHUP')) if (!before.has(listener)) process.off('SIGHUP', listener);
  return app;
}

async function runWorker<App extends INestApplicationContext>(bootstrap: WorkerBootstrap<App>, assignment: WorkerAssignment): Promise<App> {
  takeProcessRole({ kind: 'worker', assignment });
  let isReady = false;
  const tell = (): void => {
    const message: WorkerMessage = { streamback: 'worker', isReady, rssBytes: process.memoryUsage.rss() };
    // It may just have gone.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  const beat = setInterval(tell, BEAT_MS).unref();
  // Without its parent a worker is nobody's: it ends as if it were told to.
  process.once('disconnect', () => {
    clearInterval(beat);
    process.kill(process.pid, 'SIGTERM');
  });
  tell();
  const { id, counter, patterns } = assignment;
  const app = await withoutHangup(() => bootstrap({ id, counter, patterns }));
  // A terminal that hangs up tells all; the parent decides.
  process.on('SIGHUP', () => undefined);
  app.enableShutdownHooks(SHUTDOWN_SIGNALS);
  isReady = true;
  tell();
  return app;
}
