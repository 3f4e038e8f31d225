import type { StreambackLogger } from '../common/logger';
import type { SupervisedListener, SupervisedServer } from '../common/process-role';
import { processesFor, type Scale } from './scale';

/** A burst is often over and back within a moment: what was wanted stays wanted for so many checks. */
const STILL_WANTED_CHECKS = 3;
/** A topic that was created a moment ago cannot be asked yet: a single failure is no news. */
const FAILURES_TO_SAY = 2;

/** Listeners of one server that scale together. */
export interface SetMember {
  readonly server: SupervisedServer;
  readonly listeners: readonly SupervisedListener[];
}

export interface Demanded {
  /** Messages that were not handled; `undefined` where it cannot be read. */
  readonly lag: number | undefined;
  readonly wanted: number;
  /** The most that was wanted in the last checks. */
  readonly stillWanted: number;
  readonly partitions: number;
}

/** Reads what the lag of some listeners asks for. */
export class Demand {
  private recent: readonly number[] = [];
  /** In a row. */
  private failures = 0;
  private hasTopics = false;
  private partitions = Infinity;

  constructor(
    private readonly title: string,
    private readonly scale: Scale,
    private readonly members: readonly SetMember[],
    private readonly logger: StreambackLogger,
  ) {}

  /**
   * Never rejects: where the lag cannot be read, the number of workers stays, and there is at least one, which waits for its broker.
   * @param active workers that there are
   * @param onSight called when the lag can be read again
   */
  async read(active: () => number, onSight: () => void): Promise<Demanded> {
    let lag: number | undefined;
    try {
      // Whoever sends first must not have to wait for the first worker.
      if (!this.hasTopics) await Promise.all(this.members.map(({ server, listeners }) => server.prepare(topicsOf(listeners))));
      this.hasTopics = true;
      const [lags, counts] = await Promise.all([
        Promise.all(this.members.map(({ server, listeners }) => server.lag(topicsOf(listeners)))),
        Promise.all(this.members.map(({ server, listeners }) => server.partitions(topicsOf(listeners)))),
      ]);
      lag = sum(lags);
      this.partitions = sum(counts);
      if (this.failures > 0) onSight();
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      if (this.failures === FAILURES_TO_SAY) {
        this.logger.error(`The lag of ${this.title} cannot be read, its number of workers stays: ${String(error)}`);
      }
    }
    const wanted = lag === undefined ? Math.max(1, processesFor(this.scale, 0), active()) : processesFor(this.scale, lag);
    this.recent = [wanted, ...this.recent].slice(0, STILL_WANTED_CHECKS);
    return { lag, wanted, stillWanted: Math.max(...this.recent), partitions: this.partitions };
  }
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

const topicsOf = (listeners: readonly SupervisedListener[]): string[] => [...new Set(listeners.map(({ topic }) => topic))];
