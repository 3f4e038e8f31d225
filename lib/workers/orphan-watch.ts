import { Worker } from 'node:worker_threads';

/** What a worker whose event loop is blocked at its parent's death is given, in ms. */
const BLOCKED_GRACE_MS = 2_000;

/*
 * A worker learns of its parent's death by the closed channel, where its event loop turns. Where it is blocked, only another thread can
 * see that the process was given another parent, and end it. As text, because bundlers do not know the files of threads.
 */
const THREAD = `
const { workerData: { parent, isEnding, blockedGraceMs, endWithinMs } } = require('node:worker_threads');
let orphanedAt;
setInterval(() => {
  if (process.ppid === parent) return;
  orphanedAt ??= performance.now();
  const graceMs = Atomics.load(isEnding, 0) === 1 ? endWithinMs : blockedGraceMs;
  if (performance.now() - orphanedAt > graceMs) process.kill(process.pid, 'SIGKILL');
}, 250);
`;

/**
 * Kills this process where it outlives its parent.
 * @param endWithinMs what it is given once it has noticed by itself
 * @returns to be called when it has
 */
export function watchForOrphaning(endWithinMs: number): () => void {
  const isEnding = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const workerData = { parent: process.ppid, isEnding, blockedGraceMs: BLOCKED_GRACE_MS, endWithinMs };
  const resourceLimits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };
  // What preloads code for the app is not for this thread.
  const thread = new Worker(THREAD, { eval: true, execArgv: [], env: {}, workerData, resourceLimits });
  // The app is worth more than its watch.
  thread.on('error', () => undefined);
  thread.unref();
  return () => void Atomics.store(isEnding, 0, 1);
}
