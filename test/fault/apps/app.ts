import { setTimeout as pause } from 'node:timers/promises';
import type { AppMessage } from '../../support/app-process';

/** Sends a message to the test. */
export function tell(message: AppMessage): void {
  process.send!(message);
}

/** Calls `act` for each message of this type that the test sends. */
export function whenTold<T extends AppMessage>(type: string, act: (message: T) => void): void {
  process.on('message', (message: AppMessage) => {
    if (message.type === type) act(message as T);
  });
}

/** Answers `state`, which a test sends, with these facts and this process's memory, after a collection where `collect` says so. */
export function answerState(facts: () => Record<string, unknown>): void {
  whenTold<AppMessage & { readonly collect: boolean }>('state', ({ collect }) => {
    if (collect) globalThis.gc!();
    const { rss, heapUsed, external } = process.memoryUsage();
    tell({ type: 'state', rssMb: rss / 2 ** 20, liveMb: (heapUsed + external) / 2 ** 20, ...facts() });
  });
}

/** Waits; an abort ends it with its reason. */
export async function until(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
