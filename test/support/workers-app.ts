import { readFileSync } from 'node:fs';
import { startApp, type AppProcess } from './app-process';
import type { AutoRestartOptions, RunWorkersOptions, StreambackProcesses, SupervisorTick, WorkerStats } from '../../lib';

export interface WorkersAppOptions {
  readonly streams: string;
  readonly group: string;
  /** Of the topics that the app creates. @default 1 */
  readonly partitions?: number;
  /** Of the listener to 'jobs'. @default the pool */
  readonly processes?: StreambackProcesses;
  readonly crashProcesses?: StreambackProcesses;
  /** How long a job takes. @default 5 */
  readonly jobMs?: number;
  /** Of the parent's HTTP server. @default any */
  readonly port?: number;
  /** Has the app enable all of Nest's shutdown hooks itself. */
  readonly hooks?: boolean;
  /** `worker`: each worker's bootstrap throws. `crash`: the workers of 'crash' kill themselves once they listen. */
  readonly failing?: 'worker' | 'crash';
  /** Has the app report what its lifecycle hooks are told; a worker takes a moment to start then. */
  readonly lifecycle?: boolean;
  readonly autoRestart?: AutoRestartOptions;
  readonly runWorkers?: RunWorkersOptions;
}

/** What the processes of the app say, each on a line of the output. */
export interface WorkersAppReport {
  readonly type: 'starting' | 'up' | 'serving' | 'begun' | 'handled' | 'frozen' | 'started' | 'tick' | 'stats';
  readonly pid: number;
  /** Of a worker or of a job. */
  readonly id?: number;
  readonly counter?: number;
  /** Partition and offset of a job. */
  readonly at?: string;
  readonly patterns?: readonly string[];
  readonly tick?: Omit<SupervisorTick, 'replace'>;
  readonly stats?: WorkerStats;
}

export interface WorkersApp extends AppProcess {
  readonly reports: (type: WorkersAppReport['type']) => WorkersAppReport[];
  /** Pids of the workers that were started and live. */
  readonly workers: (pattern?: string) => number[];
  /** Lines of the supervisor's log, without the time. */
  readonly log: () => string[];
}

/** Starts test/e2e/apps/workers.app.ts. */
export async function startWorkersApp(options: WorkersAppOptions, env: Readonly<Record<string, string>> = {}): Promise<WorkersApp> {
  const app = await startApp('test/e2e/apps/workers.app.ts', { args: [JSON.stringify(options)], env: { NO_COLOR: '1', ...env } });
  let read = 0;
  let all: WorkersAppReport[] = [];
  const reports = (): WorkersAppReport[] => {
    const end = app.output.lastIndexOf('\n') + 1;
    const lines = app.output.slice(read, end).split('\n');
    all = [...all, ...lines.filter((line) => line.startsWith('{"type"')).map((line) => JSON.parse(line) as WorkersAppReport)];
    read = end;
    return all;
  };
  const isWorkerOf = (pattern: string | undefined, { patterns, pid }: WorkersAppReport): boolean =>
    patterns !== undefined && (pattern === undefined || patterns.includes(pattern)) && isAlive(pid);
  return Object.assign(Object.create(app) as AppProcess, {
    reports: (type: WorkersAppReport['type']) => reports().filter((line) => line.type === type),
    workers: (pattern?: string) => reports().flatMap((line) => (line.type === 'starting' && isWorkerOf(pattern, line) ? [line.pid] : [])),
    log: () =>
      app.output
        .split('\n')
        .filter((line) => line.includes('Streamback:workers]'))
        .map((line) => line.replace(/^.*?(\d+:\d+:\d+ [AP]M)\s+/, '$1 ')),
  });
}

/** A zombie, which waits for whoever inherited it, does not live. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2)[0]!);
  } catch {
    return false;
  }
}
