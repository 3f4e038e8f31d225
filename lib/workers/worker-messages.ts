import { invalidOption } from '../common/option-rules';
import type { WorkerAssignment } from '../common/process-role';

/** Where a worker finds what it was assigned; the only variable of this package's own. */
export const WORKER_VARIABLE = 'STREAMBACK_WORKER';

/** A worker tells that it lives so often, in ms. */
export const BEAT_MS = 1_000;

/** What a worker tells its parent; an app may use the channel as well. */
export interface WorkerMessage {
  readonly streamback: 'worker';
  /** `serving`: its app is up, and listens. `failed`: its bootstrap threw. */
  readonly state: 'starting' | 'serving' | 'failed';
  readonly rssBytes: number;
  /** What `bootstrap` threw. */
  readonly reason?: string;
}

export const isWorkerMessage = (message: unknown): message is WorkerMessage =>
  typeof message === 'object' && message !== null && (message as Partial<WorkerMessage>).streamback === 'worker';

/** @throws StreambackConfigError INVALID_OPTION: the variable was set by somebody else */
export function readAssignment(given: string): WorkerAssignment {
  try {
    const assignment: unknown = JSON.parse(given);
    if (isAssignment(assignment)) return assignment;
  } catch {
    // Told below.
  }
  throw invalidOption(WORKER_VARIABLE, `${WORKER_VARIABLE} holds no assignment of a worker`, REMEDY);
}

const REMEDY = `Unset ${WORKER_VARIABLE}: runWorkers sets it for the processes that it starts, and nobody else should.`;

function isAssignment(value: unknown): value is WorkerAssignment {
  if (typeof value !== 'object' || value === null) return false;
  const { id, counter, patterns, listeners, endWithinMs } = value as { readonly [Name in keyof WorkerAssignment]?: unknown };
  return (
    [id, counter, endWithinMs].every((number) => Number.isSafeInteger(number)) &&
    isTexts(patterns) &&
    Array.isArray(listeners) &&
    listeners.every((listener) => isTexts(listener) && listener.length === 2)
  );
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((text) => typeof text === 'string');
