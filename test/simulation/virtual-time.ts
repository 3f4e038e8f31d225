import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { idSource } from '../../lib/protocol/keys';
import type { Happening, World } from './world';

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setImmediate: globalThis.setImmediate,
  now: Date.now,
  stackTraceLimit: Error.stackTraceLimit,
  random: Math.random,
  randomUUID: crypto.randomUUID,
  drawId: idSource.draw,
};

let world: World | undefined;

/**
 * Code under test takes its time, its chance and its ids from the world at hand, wherever it asks for them, until the result is called.
 * @param stacks whether errors have stacks, which cost more than anything else here
 */
export function installVirtualTime(stacks = false): () => void {
  if (!stacks) Error.stackTraceLimit = 0;
  type Callback = (...args: unknown[]) => void;
  const set = (kind: string, delayMs: number, work: () => void): unknown => {
    const { current } = world!;
    const happening = world!.after(delayMs, current, work, kind);
    return Object.assign(happening, { unref: () => happening });
  };
  // The runner's own code asks for timers as well, between schedules.
  const setTimeoutOf = (callback: Callback, delayMs = 1, ...args: unknown[]): unknown =>
    world ? set(`a timer of ${delayMs} ms`, Math.max(1, delayMs), () => callback(...args)) : real.setTimeout(callback, delayMs, ...args);
  const setImmediateOf = (callback: Callback, ...args: unknown[]): unknown =>
    world ? set('an immediate', 0, () => callback(...args)) : real.setImmediate(callback, ...args);
  const clear = (timer: unknown): void => {
    if (typeof timer === 'object' && timer !== null && 'order' in timer) (timer as Happening).work = undefined;
    else real.clearTimeout(timer as NodeJS.Timeout);
  };
  Object.assign(globalThis, { setTimeout: setTimeoutOf, clearTimeout: clear, setImmediate: setImmediateOf });
  Date.now = () => (world ? world.now() : real.now());
  Math.random = () => (world ? world.random.next() : real.random());
  (crypto as { randomUUID: () => string }).randomUUID = () => (world ? world.newId() : real.randomUUID());
  syncBuiltinESMExports();
  idSource.draw = () => (world ? world.newId() : real.drawId());
  const onRejection = (error: unknown): void =>
    world?.fail('no unhandled rejections', error instanceof Error ? (error.stack ?? '') : String(error));
  process.on('unhandledRejection', onRejection);
  return () => {
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout, setImmediate: real.setImmediate });
    Error.stackTraceLimit = real.stackTraceLimit;
    Date.now = real.now;
    Math.random = real.random;
    crypto.randomUUID = real.randomUUID;
    idSource.draw = real.drawId;
    syncBuiltinESMExports();
    process.off('unhandledRejection', onRejection);
  };
}

/** Turns of the real event loop that are asked for at once: between two of them all microtasks are done. */
const TURNS = 64;

/** Lets everything happen until `isOver`, a violation, or nothing is left. */
export function drive(driven: World, isOver: () => boolean): Promise<void> {
  world = driven;
  return new Promise((resolve) => {
    let ended = false;
    const turn = (): void => {
      if (ended || (!driven.violation && !isOver() && driven.step())) return;
      ended = true;
      world = undefined;
      resolve();
    };
    const turns = (): void => {
      turn();
      if (ended) return;
      for (let left = TURNS; left > 1; left--) real.setImmediate(turn);
      real.setImmediate(turns);
    };
    turns();
  });
}
