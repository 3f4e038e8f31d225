import type { StreambackLogger } from '../common/logger';
import type { SupervisedListener, SupervisedServer, WorkerSupervisor } from '../common/process-role';
import { scaleOf, type Scale, type StreambackProcesses } from './scale';
import { WorkerSet } from './worker-set';

export interface SupervisorOptions {
  readonly pool: StreambackProcesses;
  readonly rescaleIntervalMs: number;
  readonly minWorkerAgeMs: number;
  readonly maxTotalMemoryBytes: number;
  readonly maxBlockedMs: number;
  readonly logger: StreambackLogger;
}

/** The parent of all workers: sorts listeners into sets, and has each set follow its lag. */
export class Supervisor implements WorkerSupervisor {
  private readonly servers: SupervisedServer[] = [];
  private sets: readonly WorkerSet[] = [];
  private readonly checking = new Set<WorkerSet>();
  private timer: NodeJS.Timeout | undefined;
  private ids = 0;
  private ended = false;
  private said = false;
  private readonly pool: Scale;

  /** @throws StreambackConfigError INVALID_OPTION */
  constructor(private readonly options: SupervisorOptions) {
    this.pool = scaleOf(options.pool, 'pool');
  }

  supervise(server: SupervisedServer): void {
    this.servers.push(server);
  }

  /** Starts the workers of all listeners that are known by now. @throws StreambackConfigError INVALID_OPTION */
  start(): void {
    this.sets = this.sortIntoSets();
    if (this.sets.length === 0) this.options.logger.warn('There is nothing to listen to: no worker is started');
    this.tick();
    this.timer = setInterval(() => this.tick(), this.options.rescaleIntervalMs);
  }

  /** Replaces every worker, one after the other in each set. */
  async roll(): Promise<void> {
    this.options.logger.log('Restarting all workers, one after the other');
    await Promise.all(this.sets.map((set) => set.roll()));
    this.options.logger.log('All workers were restarted');
  }

  async end(): Promise<void> {
    this.ended = true;
    clearInterval(this.timer);
    await Promise.all(this.sets.map((set) => set.end()));
  }

  private tick(): void {
    for (const set of this.sets) if (!this.checking.has(set)) void this.check(set);
  }

  /** Never rejects. One at a time for each set, so that a slow broker makes no heap of checks. */
  private async check(set: WorkerSet): Promise<void> {
    this.checking.add(set);
    try {
      await set.check(this.freeBytes());
      this.said = false;
    } catch (error) {
      if (this.ended) return;
      if (!this.said) this.options.logger.error(`The lag cannot be read, the number of workers stays: ${String(error)}`);
      this.said = true;
      set.startAtLeast(1);
    } finally {
      this.checking.delete(set);
    }
  }

  private freeBytes(): number {
    const used = this.sets.flatMap((set) => set.workers).reduce((sum, { rssBytes }) => sum + rssBytes, 0);
    return this.options.maxTotalMemoryBytes - used;
  }

  private sortIntoSets(): WorkerSet[] {
    const pooled: { server: SupervisedServer; listeners: SupervisedListener[] }[] = [];
    const sets: WorkerSet[] = [];
    for (const server of this.servers) {
      const listeners: SupervisedListener[] = [];
      for (const listener of server.listeners) {
        const { pattern, processes } = listener;
        const scale = processes === undefined ? undefined : scaleOf(processes as StreambackProcesses, `listener(${pattern}).processes`);
        // As in Python streamback, no process of its own means the pool.
        if (scale === undefined || scale.every(([, count]) => count === 0)) listeners.push(listener);
        else sets.push(this.newSet(`'${pattern}'`, scale, [{ server, listeners: [listener] }]));
      }
      if (listeners.length > 0) pooled.push({ server, listeners });
    }
    return pooled.length > 0 ? [...sets, this.newSet('the pool', this.pool, pooled)] : sets;
  }

  private newSet(
    title: string,
    scale: Scale,
    members: { server: SupervisedServer; listeners: readonly SupervisedListener[] }[],
  ): WorkerSet {
    const { minWorkerAgeMs, maxBlockedMs, logger } = this.options;
    return new WorkerSet({ title, scale, members, minWorkerAgeMs, maxBlockedMs, logger, nextId: () => (this.ids += 1) });
  }
}
