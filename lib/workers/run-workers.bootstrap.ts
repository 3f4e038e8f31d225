import * as inspector from 'node:inspector';
import { Logger, type INestApplicationContext } from '@nestjs/common';
import { aCount, aDuration, checkOptions, invalidOption, withoutUndefined, type OptionRules } from '../common/option-rules';
import { takeProcessRole } from '../common/process-role';
import { ownProgram } from './fork-worker';
import { scaleOf, type Scale, type StreambackProcesses } from './scale';
import { Supervisor } from './supervisor';
import { BEAT_MS, WORKER_VARIABLE } from './worker-messages';
import { keepingSignals, runWorker, type WorkerBootstrap } from './worker.bootstrap';

/** How `runWorkers` keeps its workers. */
export interface RunWorkersOptions {
  /** Workers of the listeners without `processes`, together; given as `processes` is. @default 1 */
  readonly pool?: StreambackProcesses | undefined;
  /** Between looks at the lag, in ms. @default 1_000 */
  readonly rescaleIntervalMs?: number | undefined;
  /** A younger worker is not ended for want of lag, in ms. @default 10_000 */
  readonly minWorkerAgeMs?: number | undefined;
  /** Memory (RSS) of all workers beyond which none is added, in bytes; the first of a set always starts. @default none */
  readonly maxTotalMemoryBytes?: number | undefined;
  /** A worker whose event loop is silent for longer is replaced, in ms; not while a debugger may hold it. @default 30_000 */
  readonly maxBlockedMs?: number | undefined;
}

export const RUN_WORKERS_DEFAULTS = {
  pool: 1,
  rescaleIntervalMs: 1_000,
  minWorkerAgeMs: 10_000,
  maxTotalMemoryBytes: Infinity,
  maxBlockedMs: 30_000,
} as const satisfies RunWorkersOptions;

export const RUN_WORKERS_RULES: OptionRules<RunWorkersOptions> = {
  pool: (value, path) => void poolOf(value, path),
  rescaleIntervalMs: aDuration(100),
  minWorkerAgeMs: aDuration(0),
  maxTotalMemoryBytes: aCount(1),
  maxBlockedMs: aDuration(3 * BEAT_MS),
};

/**
 * Runs the listeners of an app in worker processes, as many as their lag asks for. The parent runs the app too: it knows the listeners
 * from it, serves HTTP and fires schedules, but does not consume. A worker is this program started again, whose `bootstrap` is given
 * the worker's facts. SIGTERM and SIGINT drain all workers, then the parent; SIGHUP replaces every worker by a new one that serves first.
 * @throws StreambackConfigError INVALID_OPTION; what `bootstrap` throws
 */
export async function runWorkers<App extends INestApplicationContext>(
  bootstrap: WorkerBootstrap<App>,
  options: RunWorkersOptions = {},
): Promise<App> {
  const given = process.env[WORKER_VARIABLE];
  if (given !== undefined) return runWorker(bootstrap, given);
  checkOptions(options, RUN_WORKERS_RULES);
  ownProgram();
  const whole = { ...RUN_WORKERS_DEFAULTS, ...withoutUndefined(options) };
  const supervisor = new Supervisor({
    ...whole,
    pool: poolOf(whole.pool, 'pool'),
    // A worker that stands at a breakpoint is not to be replaced.
    maxBlockedMs: inspector.url() === undefined ? whole.maxBlockedMs : Infinity,
    logger: new Logger('Streamback:workers'),
  });
  takeProcessRole({ kind: 'supervisor', supervisor });
  const app = await keepingSignals(
    ['SIGHUP'],
    () => void supervisor.roll(),
    () => bootstrap(),
  );
  app.enableShutdownHooks(['SIGTERM', 'SIGINT']);
  supervisor.start();
  return app;
}

/** @throws StreambackConfigError INVALID_OPTION */
function poolOf(value: unknown, path: string): Scale {
  const scale = scaleOf(value, path);
  if (scale) return scale;
  throw invalidOption(
    path,
    `'${path}' must ask for at least one process`,
    'Leave it out for one worker, or write [[0, 0], [1, 1]] for none without lag.',
  );
}
