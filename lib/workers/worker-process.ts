import { fork, type ChildProcess } from 'node:child_process';
import type { WorkerAssignment } from '../common/process-role';
import { isWorkerMessage, WORKER_VARIABLE } from './worker-messages';

export type WorkerStatus = 'starting' | 'serving' | 'draining' | 'gone';

export interface WorkerProcessOptions {
  readonly assignment: WorkerAssignment;
  /** Called once, when the process has ended. @param expected whether it was told to */
  readonly onGone: (worker: WorkerProcess, how: string) => void;
}

/** A worker process, from its fork to its end. */
export class WorkerProcess {
  readonly assignment: WorkerAssignment;
  readonly startedAt = performance.now();
  /** Resolves when it serves, or is gone. */
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
  rssBytes = 0;
  private currentStatus: WorkerStatus = 'starting';
  private lastBeat = performance.now();
  private readonly child: ChildProcess;
  private killTimer: NodeJS.Timeout | undefined;

  constructor({ assignment, onGone }: WorkerProcessOptions) {
    this.assignment = assignment;
    this.child = fork(process.argv[1]!, process.argv.slice(2), {
      env: { ...process.env, [WORKER_VARIABLE]: JSON.stringify(assignment) },
      execArgv: process.execArgv.map(withoutPort),
    });
    let isReady: () => void;
    this.ready = new Promise((resolve) => (isReady = resolve));
    this.gone = new Promise((resolve) => {
      const end = (how: string): void => {
        if (this.currentStatus === 'gone') return;
        clearTimeout(this.killTimer);
        const expected = this.currentStatus === 'draining';
        this.currentStatus = 'gone';
        isReady();
        onGone(this, expected ? '' : how);
        resolve();
      };
      this.child.once('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
      this.child.once('error', (error) => end(error.message));
    });
    this.child.on('message', (message: unknown) => {
      if (!isWorkerMessage(message)) return;
      this.lastBeat = performance.now();
      this.rssBytes = message.rssBytes;
      if (message.isReady && this.currentStatus === 'starting') {
        this.currentStatus = 'serving';
        isReady();
      }
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get status(): WorkerStatus {
    return this.currentStatus;
  }

  get ageMs(): number {
    return performance.now() - this.startedAt;
  }

  /** For how long nothing was heard of it, in ms. */
  get silentMs(): number {
    return performance.now() - this.lastBeat;
  }

  /** Has it end in good order, and kills it where it has not ended after `timeoutMs`. Returns at once. */
  drain(timeoutMs: number): void {
    if (this.currentStatus === 'gone' || this.currentStatus === 'draining') return;
    this.currentStatus = 'draining';
    this.child.kill('SIGTERM');
    this.killTimer = setTimeout(() => this.child.kill('SIGKILL'), timeoutMs);
  }

  /** Ends it without more ado: it does not answer. */
  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** Each process needs an inspector's port of its own. */
const withoutPort = (argument: string): string => argument.replace(/^(--inspect(?:-brk)?)(?:=.*)?$/, '$1=0');
