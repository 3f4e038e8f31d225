import { spawn, type ChildProcess } from 'node:child_process';
import { guardProcess } from './process-guard';

/** A server that a test may stop, kill and start again, always on the same port and with the same data. */
export interface ServerProcess {
  /** The server's own process id; another one after each start. */
  readonly pid: number;
  readonly running: boolean;
  /** Sends a signal, SIGKILL by default, and waits for the exit where the signal ends a process (SIGSTOP and SIGCONT do not). */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it in order (SIGTERM), or with SIGKILL where that takes longer than 20 s. Nothing happens where it is down. */
  stop(): Promise<void>;
  /** Resolves when it serves again. */
  start(): Promise<void>;
}

export interface ServerProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Resolves when the server serves; is called again until `startTimeoutMs` where it rejects. */
  readonly ready: () => Promise<void>;
  readonly startTimeoutMs: number;
}

const STOP_TIMEOUT_MS = 20_000;
const READY_INTERVAL_MS = 25;
const OUTPUT_KEPT = 4_000;
const SIGNALS_THAT_END_NOTHING: readonly NodeJS.Signals[] = ['SIGSTOP', 'SIGCONT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'];

/** Starts a server; where it does not come up, its folder is removed. */
export async function startIn(folder: { remove(): void }, server: Pick<ServerProcess, 'start'>): Promise<void> {
  try {
    await server.start();
  } catch (error) {
    folder.remove();
    throw error;
  }
}

/** Describes a server process; `start()` starts it. */
export function serverProcess(options: ServerProcessOptions): ServerProcess {
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();
  let output = '';

  const isUp = () => child !== undefined && child.exitCode === null && child.signalCode === null;

  async function waitUntilReady(): Promise<void> {
    const end = performance.now() + options.startTimeoutMs;
    for (;;) {
      if (!isUp()) throw new Error(`${options.name} ended while it started:\n${output}`);
      try {
        await options.ready();
        return;
      } catch (cause) {
        if (performance.now() > end) {
          throw new Error(`${options.name} was not ready within ${options.startTimeoutMs} ms:\n${output}`, { cause });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, READY_INTERVAL_MS));
    }
  }

  const server: ServerProcess = {
    get pid() {
      return child?.pid ?? -1;
    },
    get running() {
      return isUp();
    },
    async start() {
      if (isUp()) return;
      output = '';
      // A session of its own: Ctrl-C is for the runner, which then stops its servers in order.
      const started = spawn(options.command, options.args, { cwd: options.cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
      child = started;
      exited = new Promise((resolve) => {
        started.once('exit', () => resolve());
        started.once('error', (error) => {
          output += String(error);
          resolve();
        });
      });
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-OUTPUT_KEPT)));
      }
      guardProcess(started);
      try {
        await waitUntilReady();
      } catch (error) {
        await server.kill();
        throw error;
      }
    },
    async kill(signal = 'SIGKILL') {
      if (!isUp()) return;
      child?.kill(signal);
      if (!SIGNALS_THAT_END_NOTHING.includes(signal)) await exited;
    },
    async stop() {
      if (!isUp()) return;
      const timer = setTimeout(() => child?.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await server.kill('SIGTERM');
      clearTimeout(timer);
    },
  };
  return server;
}
