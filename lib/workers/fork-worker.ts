import { fork, type ChildProcess } from 'node:child_process';
import { invalidOption } from '../common/option-rules';
import type { WorkerAssignment } from '../common/process-role';
import { WORKER_VARIABLE } from './worker-messages';

/** Starts a worker process. @throws what the system has against it */
export type ForkWorker = (assignment: WorkerAssignment) => ChildProcess;

/** Starts this program again, with its arguments. */
export const forkWorker: ForkWorker = (assignment) => {
  return fork(ownProgram(), process.argv.slice(2), {
    env: { ...process.env, [WORKER_VARIABLE]: JSON.stringify(assignment) },
    execArgv: [...process.execArgv.map(withoutBreak), OWN_INSPECTOR_PORT],
  });
};

/** The file that this process runs. @throws StreambackConfigError INVALID_OPTION where it runs none */
export function ownProgram(): string {
  const program = process.argv[1];
  if (program !== undefined) return program;
  throw invalidOption('', 'runWorkers can start no worker: this process runs no file', 'Run the app from a file.');
}

/** The parent has the port that was asked for; without an inspector it changes nothing. */
const OWN_INSPECTOR_PORT = '--inspect-port=0';

/** A worker that waits for a debugger would never serve. */
const withoutBreak = (argument: string): string => argument.replace(/^--inspect-(?:brk|wait)(?==|$)/, '--inspect');
