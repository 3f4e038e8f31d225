/** A worker as the decision sees it. */
export interface WorkerFacts {
  readonly ageMs: number;
  /** Counts for the set; one that is draining does not. */
  readonly isActive: boolean;
}

export interface RescaleFacts {
  /** What the lag asks for now. */
  readonly wanted: number;
  /** The most that it asked for in the last checks: no worker within that is ended. */
  readonly stillWanted: number;
  /** Partitions of the set's topics: a worker beyond would have nothing to do. */
  readonly partitions: number;
  readonly workers: readonly WorkerFacts[];
  readonly minWorkerAgeMs: number;
  /** How many more memory allows for; Infinity without a limit. */
  readonly room: number;
}

export interface RescaleDecision {
  readonly start: number;
  /** Positions in `workers`, of those to be drained. */
  readonly drain: readonly number[];
  /** Why there are fewer than the lag asks for. */
  readonly heldBy?: 'partitions' | 'memory';
}

/** What to do about the number of a set's workers. Several changes are one decision, so that they make one rebalance. */
export function rescale({ wanted, stillWanted, partitions, workers, minWorkerAgeMs, room }: RescaleFacts): RescaleDecision {
  const active = workers.flatMap(({ isActive, ageMs }, at) => (isActive ? [{ at, ageMs }] : []));
  const missing = Math.min(wanted, partitions) - active.length;
  if (missing > 0) {
    // The first of a set always starts, or its messages would never be handled.
    const start = Math.min(missing, Math.max(room, active.length === 0 ? 1 : 0));
    if (start < missing) return { start, drain: [], heldBy: 'memory' };
    return { start, drain: [], ...heldByPartitions(wanted, partitions) };
  }
  const spare = active.length - Math.min(stillWanted, partitions);
  // The last started go first: those before them have warmed up.
  const last = spare > 0 ? active.toSorted((one, two) => one.ageMs - two.ageMs).slice(0, spare) : [];
  const drain = last.filter(({ ageMs }) => ageMs >= minWorkerAgeMs).map(({ at }) => at);
  return { start: 0, drain, ...heldByPartitions(wanted, partitions) };
}

const heldByPartitions = (wanted: number, partitions: number): Pick<RescaleDecision, 'heldBy'> =>
  wanted > partitions ? { heldBy: 'partitions' } : {};
