import { fork } from 'node:child_process';
import { join } from 'node:path';
import { guardProcess } from '../test/support/process-guard';
import type { Command } from './child';
import type { Venue } from './peer';

/** One half of a peer, in a process of its own. */
export interface PeerProcess {
  ask<Answer = void>(command: Command): Promise<Answer>;
  /** Ends it, in order where it can. */
  close(): Promise<void>;
}

type Reply = { readonly value?: unknown; readonly error?: string };

const CLOSE_TIMEOUT_MS = 5_000;

/** @param profileFolder where the process leaves a CPU profile when it ends */
export async function startPeerProcess(
  peer: string,
  role: 'client' | 'server',
  venue: Venue,
  profileFolder?: string,
): Promise<PeerProcess> {
  const execArgv = profileFolder ? ['--cpu-prof', '--cpu-prof-dir', profileFolder, '--cpu-prof-name', `${peer}.${role}.cpuprofile`] : [];
  const child = fork(join(__dirname, 'child.js'), [peer, role, JSON.stringify(venue)], {
    execArgv,
    env: { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1' },
  });
  guardProcess(child);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  const reply = (): Promise<unknown> => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  child.on('message', ({ value, error }: Reply) => {
    const { resolve, reject } = waiting.shift()!;
    if (error === undefined) resolve(value);
    else reject(new Error(`${peer} ${role}: ${error}`));
  });
  child.once('exit', (code) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`${peer} ${role} ended with ${code ?? 'a signal'}`));
  });
  const ask = <Answer>(command: Command): Promise<Answer> => {
    const answer = reply();
    child.send(command);
    return answer as Promise<Answer>;
  };
  await reply();
  return {
    ask,
    async close() {
      const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS);
      await ask({ command: 'close' }).catch(() => {});
      await exited;
      clearTimeout(timer);
    },
  };
}
