import type { INestApplicationContext } from '@nestjs/common';
import { invalidOption } from '../common/option-rules';
import { takeProcessRole, type WorkerInfo } from '../common/process-role';
import { watchForOrphaning } from './orphan-watch';
import { BEAT_MS, readAssignment, WORKER_VARIABLE, type WorkerMessage } from './worker-messages';

/**
 * What `main.ts` does to start the app; given a worker's facts within a worker. Returns the app, so that it can be drained. Where it makes
 * a hybrid app it calls `app.init()` before `startAllMicroservices()`: a worker does not listen, which would be what calls Nest's hooks.
 */
export type WorkerBootstrap<App extends INestApplicationContext = INestApplicationContext> = (worker?: WorkerInfo) => Promise<App>;

/** Runs the app in this process as the worker that it was started as. */
export async function runWorker<App extends INestApplicationContext>(bootstrap: WorkerBootstrap<App>, given: string): Promise<App> {
  const assignment = readAssignment(given);
  // What this process starts itself is no worker.
  delete process.env[WORKER_VARIABLE];
  if (!process.connected) throw invalidOption(WORKER_VARIABLE, `${WORKER_VARIABLE} is set, but no runWorkers supervises this process`);
  takeProcessRole({ kind: 'worker', assignment });
  let state: WorkerMessage['state'] = 'starting';
  const tell = (reason?: string): void => {
    const message: WorkerMessage = {
      streamback: 'worker',
      state,
      rssBytes: process.memoryUsage.rss(),
      ...(reason !== undefined && { reason }),
    };
    // The parent may just have gone.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  tell();
  const beat = setInterval(tell, BEAT_MS).unref();
  const isEnding = watchForOrphaning(assignment.endWithinMs);
  // Without its parent a worker is nobody's: it ends as if it were told to.
  process.once('disconnect', () => {
    clearInterval(beat);
    isEnding();
    process.kill(process.pid, 'SIGTERM');
  });
  const { id, counter, patterns } = assignment;
  try {
    // A terminal tells the whole group of processes; the parent decides.
    const app = await keepingSignals(
      ['SIGINT', 'SIGHUP'],
      () => undefined,
      () => bootstrap({ id, counter, patterns }),
    );
    app.enableShutdownHooks(['SIGTERM']);
    state = 'serving';
    tell();
    return app;
  } catch (error) {
    state = 'failed';
    tell(String(error));
    throw error;
  }
}

/**
 * Runs `bootstrap` and answers to `signals` alone, from now on.
 * Nest's shutdown hooks, where an app enables them all, take every signal for the end.
 * @throws StreambackConfigError INVALID_OPTION: there is no app; what `bootstrap` throws
 */
export async function keepingSignals<App extends INestApplicationContext>(
  signals: readonly NodeJS.Signals[],
  onSignal: () => void,
  bootstrap: () => Promise<App>,
): Promise<App> {
  for (const signal of signals) process.on(signal, onSignal);
  const before = new Map(signals.map((signal) => [signal, process.listeners(signal)]));
  const app = await bootstrap();
  for (const [signal, listeners] of before) {
    for (const listener of process.listeners(signal)) if (!listeners.includes(listener)) process.off(signal, listener);
  }
  if (typeof (app as Partial<App> | undefined)?.enableShutdownHooks === 'function') return app;
  throw invalidOption('bootstrap', 'The bootstrap given to runWorkers must return the app', "Write 'return app;' at its end.");
}
