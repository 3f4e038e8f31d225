/** A worker as the decision sees it. */
export interface WorkerFacts {
  readonly ageMs: number;
  readonly rssBytes: number;
  /** Counts for the set; one that is draining does not. */
  readonly isServing: boolean;
}

export interface RescaleFacts {
  /** What the lag asks for. */
  readonly wanted: number;
  /** Checks in a row at which fewer than there are were wanted, this one included. */
  readonly lowChecks: number;
  /** Partitions of the set's topics: a worker beyond would have nothing to do. */
  readonly partitions: number;
  readonly workers: readonly WorkerFacts[];
  readonly minWorkerAgeMs: number;
  /** What the workers of all sets may still take; Infinity without a limit. */
  readonly freeBytes: number;
}

export interface RescaleDecision {
  readonly start: number;
  /** Positions in `workers`, of those to be drained. */
  readonly drain: readonly number[];
  /** Why fewer are started than the lag asks for. */
  readonly heldBy?: 'partitions' | 'memory';
}

/** A burst is often over and back within a moment: fewer must be wanted so many times in a row before any is ended. */
export const LOW_CHECKS = 3;

/** What to do about the number of a set's workers. Several changes are one decision, so that they make one rebalance. */
export function rescale({ wanted, lowChecks, partitions, workers, minWorkerAgeMs, freeBytes }: RescaleFacts): RescaleDecision {
  const target = Math.min(wanted, partitions);
  const serving = workers.flatMap(({ isServing, ageMs }, at) => (isServing ? [{ at, ageMs }] : []));
  if (serving.length < target) {
    // The first of a set always starts, or its messages would never be handled.
    if (freeBytes <= 0) return { start: serving.length === 0 ? 1 : 0, drain: [], heldBy: 'memory' };
    return { start: target - serving.length, drain: [], ...(wanted > partitions && { heldBy: 'partitions' as const }) };
  }
  if (serving.length > target && lowChecks >= LOW_CHECKS) {
    // The last started go first: those before them have warmed up.
    const old = serving.toSorted((one, two) => one.ageMs - two.ageMs).slice(0, serving.length - target);
    return { start: 0, drain: old.filter(({ ageMs }) => ageMs >= minWorkerAgeMs).map(({ at }) => at) };
  }
  return { start: 0, drain: [], ...(wanted > partitions && { heldBy: 'partitions' as const }) };
}
