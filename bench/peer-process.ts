import { fork } from 'node:child_process';
import { join } from 'node:path';
import { guardProcess } from '../test/support/process-guard';
import type { Command, Role } from './child';
import type { Venue } from './peer';
import type { Pinning } from './pinning';

/** One half of a peer, in a process of its own. */
export interface PeerProcess {
  /** From its start until it said that it is ready, in ms. */
  readonly readyMs: number;
  /** `performance.now()` of the parent at its start. */
  readonly startedAt: number;
  ask<Answer = void>(command: Command): Promise<Answer>;
  /** Ends it, in order where it can. */
  close(): Promise<void>;
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const CLOSE_TIMEOUT_MS = 5_000;

/** Starts it on its core, and resolves when it is ready. */
export async function startPeerProcess(peer: string, role: Role, venue: Venue, { prefix }: Pinning): Promise<PeerProcess> {
  const startedAt = performance.now();
  const [command, ...before] = [...prefix, process.execPath];
  const child = fork(join(__dirname, 'child.js'), [peer, role, JSON.stringify(venue)], {
    execPath: command,
    execArgv: before,
    env: { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1' },
  });
  guardProcess(child);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastId = 0;
  const reply = (id: number): Promise<unknown> => new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  child.on('message', ({ id, value, error }: Reply) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(`${peer} ${role}: ${error}`));
  });
  child.once('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${peer} ${role} ended with ${code ?? 'a signal'}`));
    waiting.clear();
  });
  const ask = <Answer>(asked: Command): Promise<Answer> => {
    const id = ++lastId;
    const answer = reply(id);
    child.send({ id, command: asked });
    return answer as Promise<Answer>;
  };
  await reply(0);
  return {
    readyMs: performance.now() - startedAt,
    startedAt,
    ask,
    async close() {
      const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS);
      await ask({ command: 'close' }).catch(() => {});
      await exited;
      clearTimeout(timer);
    },
  };
}
