/** A worker process, as it is told of itself. */
export interface WorkerInfo {
  /** Never used twice in the life of the parent. */
  readonly id: number;
  /** Its place among the workers of its set, from 0; given again after it has ended. */
  readonly counter: number;
  /** The patterns that it listens to. */
  readonly patterns: readonly string[];
}

/** What a worker is told by its parent, in `STREAMBACK_WORKER`. */
export interface WorkerAssignment extends WorkerInfo {
  /** The listeners that it runs: connection and pattern. */
  readonly listeners: readonly (readonly [connection: string, pattern: string])[];
  /** How long it may take to end in good order, in ms. */
  readonly endWithinMs: number;
}

/** The listeners of one server, as a supervisor sees them. */
export interface SupervisedServer {
  readonly connection: string;
  readonly drainTimeoutMs: number;
  readonly listeners: readonly SupervisedListener[];
  /** Creates what is missing of these topics, where topics may be created. */
  prepare(topics: readonly string[]): Promise<void>;
  /** Whether its stream can tell the lag. */
  readonly tellsLag: boolean;
  /** Messages that the group has not handled, of these topics together; 0 where the stream cannot tell. */
  lag(topics: readonly string[]): Promise<number>;
  /** Partitions of these topics together, those of missing topics left out; Infinity where the stream has none. */
  partitions(topics: readonly string[]): Promise<number>;
}

export interface SupervisedListener {
  readonly pattern: string;
  readonly topic: string;
  /** The option, as it was given; `undefined`: the pool. */
  readonly processes: unknown;
}

/** `draining`: it takes nothing more, and ends once what it handles is done. */
export type WorkerStatus = 'starting' | 'serving' | 'draining' | 'gone';

/** A worker, as its parent sees it. */
export interface SupervisedWorker extends WorkerInfo {
  /** Nothing where the process could not be started. */
  readonly pid: number | undefined;
  readonly status: WorkerStatus;
  /** Since it was started, in ms. */
  readonly ageMs: number;
  /** Its memory (RSS) in bytes, as it said within the last second; 0 before it first speaks. */
  readonly rssBytes: number;
}

/** What the parent of workers knows, each time it has looked at the lag. */
export interface SupervisorTick {
  /** Messages that the group has not handled, of all listeners; null while it cannot be read. */
  readonly lag: number | null;
  readonly workers: readonly SupervisedWorker[];
  /**
   * Replaces a worker: a new one serves first, then the old one is drained. One at a time over all workers. Never rejects.
   * @param id a worker's `id`
   * @returns whether it was; not where another is being replaced or the new one did not come up, and then the old one stays
   */
  replace(id: number): Promise<boolean>;
}

/** Runs the listeners of this process's servers in workers. */
export interface WorkerSupervisor {
  supervise(server: SupervisedServer): void;
  /** Has `listener` called each time the lag was looked at. It must not throw. */
  onTick(listener: (tick: SupervisorTick) => void): void;
  /** Ends the workers. Idempotent. */
  end(): Promise<void>;
}

/**
 * `alone`: this process listens to everything. `supervisor`: it listens to nothing, its workers do. `worker`: it listens to what it was
 * assigned.
 */
export type ProcessRole =
  | { readonly kind: 'alone' }
  | { readonly kind: 'supervisor'; readonly supervisor: WorkerSupervisor }
  | { readonly kind: 'worker'; readonly assignment: WorkerAssignment };

let role: ProcessRole = { kind: 'alone' };

/** What this process is; servers ask when they start. */
export const processRole = (): ProcessRole => role;

export function takeProcessRole(taken: ProcessRole): void {
  role = taken;
}
