import type { Clock } from '../common/clock';
import type { StreambackLogger } from '../common/logger';
import type { SupervisedListener, SupervisedServer, SupervisorTick, WorkerSupervisor } from '../common/process-role';
import type { SetMember } from './demand';
import { forkWorker, type ForkWorker } from './fork-worker';
import { followsLag, scaleOf, type Scale } from './scale';
import { WorkerSet } from './worker-set';

export interface SupervisorOptions {
  /** Of the listeners without processes of their own. */
  readonly pool: Scale;
  readonly rescaleIntervalMs: number;
  readonly minWorkerAgeMs: number;
  readonly maxTotalMemoryBytes: number;
  readonly maxBlockedMs: number;
  readonly logger: StreambackLogger;
  readonly fork?: ForkWorker;
  readonly clock?: Clock;
}

/** Ages do not jump with the time of day, and a parent whose workers have all crashed still lives. */
const PARENT_CLOCK: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

/** The parent of all workers: sorts listeners into sets, and has each set follow its lag. */
export class Supervisor implements WorkerSupervisor {
  private readonly servers: SupervisedServer[] = [];
  private readonly clock: Clock;
  private sets: readonly WorkerSet[] = [];
  private timer: unknown;
  private readonly tickListeners: ((tick: SupervisorTick) => void)[] = [];
  private ids = 0;
  private isReplacing = false;
  /** Rolling restarts under way. */
  private rolls = 0;
  private ended = false;

  constructor(private readonly options: SupervisorOptions) {
    this.clock = options.clock ?? PARENT_CLOCK;
  }

  supervise(server: SupervisedServer): void {
    this.servers.push(server);
  }

  onTick(listener: (tick: SupervisorTick) => void): void {
    this.tickListeners.push(listener);
  }

  /** Starts the workers of all listeners that are known by now. @throws StreambackConfigError INVALID_OPTION */
  start(): void {
    if (this.ended) return;
    this.sets = this.sortIntoSets();
    if (this.sets.length > 0) this.tick();
  }

  /** Replaces every worker, one after the other in each set. Never rejects. */
  async roll(): Promise<void> {
    if (this.ended || this.sets.length === 0) return;
    this.options.logger.log('Replacing all workers, one after the other');
    this.rolls += 1;
    await Promise.all(this.sets.map((set) => set.roll()));
    this.rolls -= 1;
    if (!this.ended) this.options.logger.log('The rolling restart is over');
  }

  /** Ends the workers in good order. Idempotent. */
  async end(): Promise<void> {
    this.ended = true;
    this.clock.clearTimeout(this.timer);
    await Promise.all(this.sets.map((set) => set.end()));
  }

  private tick(): void {
    const checks = this.sets.map((set) => set.check());
    if (this.tickListeners.length > 0) void Promise.all(checks).then(() => this.tellTick());
    this.timer = this.clock.setTimeout(() => this.tick(), this.options.rescaleIntervalMs);
  }

  private tellTick(): void {
    if (this.ended) return;
    const lags = this.sets.map(({ lag }) => lag);
    const tick: SupervisorTick = {
      lag: lags.includes(undefined) ? null : lags.reduce<number>((sum, lag) => sum + (lag ?? 0), 0),
      workers: this.sets.flatMap(({ workers }) => workers.map((worker) => worker.facts)),
      replace: (id) => this.replace(id),
    };
    for (const listener of this.tickListeners) listener(tick);
  }

  private async replace(id: number): Promise<boolean> {
    const set = this.sets.find(({ workers }) => workers.some(({ assignment }) => assignment.id === id));
    const worker = set?.workers.find(({ assignment }) => assignment.id === id);
    if (!set || !worker || this.isReplacing || this.rolls > 0 || this.ended) return false;
    this.isReplacing = true;
    return set.replace(worker).finally(() => (this.isReplacing = false));
  }

  /** How many more workers fit. One is expected to take what this process does: they run the same program. */
  private readonly room = (): number => {
    const expected = process.memoryUsage.rss();
    const workers = this.sets.flatMap((set) => set.workers);
    const used = workers.reduce((sum, { status, rssBytes }) => sum + (status === 'starting' ? Math.max(expected, rssBytes) : rssBytes), 0);
    return Math.max(0, Math.ceil((this.options.maxTotalMemoryBytes - used) / expected));
  };

  private sortIntoSets(): WorkerSet[] {
    const pooled: SetMember[] = [];
    const sets: WorkerSet[] = [];
    for (const server of this.servers) {
      const shared: SupervisedListener[] = [];
      for (const listener of server.listeners) {
        const scale = scaleOf(listener.processes ?? 0, `listener(${listener.pattern}).processes`);
        if (scale) sets.push(this.newSet(`'${listener.pattern}'`, scale, [{ server, listeners: [listener] }]));
        else shared.push(listener);
      }
      if (shared.length > 0) pooled.push({ server, listeners: shared });
    }
    return pooled.length > 0 ? [...sets, this.newSet('The pool', this.options.pool, pooled)] : sets;
  }

  private newSet(title: string, scale: Scale, members: readonly SetMember[]): WorkerSet {
    const { logger, minWorkerAgeMs, maxBlockedMs, fork = forkWorker } = this.options;
    const { clock, room } = this;
    if (scale.every(([, count]) => count === 0)) logger.warn(`${title}: 0 workers at any lag, so its messages are not handled`);
    for (const { server } of members) {
      if (server.tellsLag || !followsLag(scale)) continue;
      logger.warn(`${title}: the stream of connection '${server.connection}' does not tell its lag, so the number of workers stays`);
    }
    const nextId = (): number => (this.ids += 1);
    return new WorkerSet({ title, scale, members, minWorkerAgeMs, maxBlockedMs, fork, clock, logger, nextId, room });
  }
}
