import { fork, type ChildProcess } from 'node:child_process';
import { invalidOption } from '../common/option-rules';
import type { WorkerAssignment } from '../common/process-role';
import { WORKER_VARIABLE } from './worker-messages';

/** Starts a worker process. @throws StreambackConfigError INVALID_OPTION */
export type ForkWorker = (assignment: WorkerAssignment) => ChildProcess;

/** Starts this program again, with its arguments. */
export const forkWorker: ForkWorker = (assignment) => {
  const [, program, ...args] = process.argv;
  if (program === undefined)
    throw invalidOption('', 'runWorkers can start no worker: this process runs no file', 'Run the app from a file.');
  return fork(program, args, {
    env: { ...process.env, [WORKER_VARIABLE]: JSON.stringify(assignment) },
    execArgv: [...process.execArgv.map(withoutBreak), OWN_INSPECTOR_PORT],
  });
};

/** The parent has the port that was asked for; without an inspector it changes nothing. */
const OWN_INSPECTOR_PORT = '--inspect-port=0';

/** A worker that waits for a debugger would never serve. */
const withoutBreak = (argument: string): string => argument.replace(/^--inspect-(?:brk|wait)(?==|$)/, '--inspect');
