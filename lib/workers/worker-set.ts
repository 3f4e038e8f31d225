import { backoffDelayMs } from '../common/backoff';
import type { StreambackLogger } from '../common/logger';
import type { SupervisedListener, SupervisedServer } from '../common/process-role';
import { rescale, type RescaleDecision } from './rescale';
import { processesFor, type Scale } from './scale';
import { WorkerProcess } from './worker-process';

/** A worker that lived for so long has not crashed at start: the backoff begins anew, in ms. */
const STEADY_MS = 30_000;
const CRASH_BACKOFF = { delayMs: 500, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };
/** Closing takes a moment longer than handlers are waited for, in ms. */
const DRAIN_GRACE_MS = 10_000;
/** A new worker of a rolling restart that does not serve by then is given up, in ms. */
const READY_TIMEOUT_MS = 60_000;

/** Listeners that scale together: those of one server with one scale of their own, or all of the pool. */
export interface WorkerSetOptions {
  /** For log lines. */
  readonly title: string;
  readonly scale: Scale;
  readonly members: readonly { readonly server: SupervisedServer; readonly listeners: readonly SupervisedListener[] }[];
  readonly minWorkerAgeMs: number;
  readonly maxBlockedMs: number;
  readonly nextId: () => number;
  readonly logger: StreambackLogger;
}

/** The worker processes of one set: started and drained as lag asks for, and replaced when they end by themselves. */
export class WorkerSet {
  private readonly processes = new Set<WorkerProcess>();
  private crashes = 0;
  private startAgainAt = 0;
  private lowChecks = 0;
  private saidHeldBy: RescaleDecision['heldBy'];
  private ended = false;
  private rolling?: Promise<void>;

  constructor(private readonly options: WorkerSetOptions) {}

  get workers(): readonly WorkerProcess[] {
    return [...this.processes];
  }

  /** Messages that were not handled. @throws StreambackConnectionError */
  async lag(): Promise<number> {
    const lags = await Promise.all(this.options.members.map(({ server, listeners }) => server.lag(topicsOf(listeners))));
    return lags.reduce((sum, lag) => sum + lag, 0);
  }

  /** Looks at the lag and changes the number of workers; never waits for one to end. @throws StreambackConnectionError */
  async check(freeBytes: number): Promise<void> {
    this.endFrozen();
    const [lag, partitions] = await Promise.all([this.lag(), this.partitions()]);
    if (this.ended || this.rolling) return;
    const workers = this.workers;
    const facts = workers.map((worker) => ({ ageMs: worker.ageMs, rssBytes: worker.rssBytes, isServing: isServing(worker) }));
    const wanted = processesFor(this.options.scale, lag);
    const count = facts.filter((each) => each.isServing).length;
    this.lowChecks = Math.min(wanted, partitions) < count ? this.lowChecks + 1 : 0;
    const { minWorkerAgeMs } = this.options;
    const decision = rescale({ wanted, partitions, workers: facts, lowChecks: this.lowChecks, minWorkerAgeMs, freeBytes });
    this.say(decision, wanted, partitions);
    if (decision.start > 0 && performance.now() >= this.startAgainAt) this.start(decision.start, lag);
    for (const at of decision.drain) this.drain(workers[at]!);
  }

  /** Starts without asking for the lag: brokers may be away, and a worker waits for them. */
  startAtLeast(count: number): void {
    const missing = count - this.workers.filter(isServing).length;
    if (missing > 0 && !this.ended && performance.now() >= this.startAgainAt) this.start(missing);
  }

  /** Replaces each worker by a new one that serves first. */
  roll(): Promise<void> {
    this.rolling ??= this.replaceAll().finally(() => (this.rolling = undefined));
    return this.rolling;
  }

  /** Drains all workers, and resolves when they are gone. */
  async end(): Promise<void> {
    this.ended = true;
    for (const worker of this.processes) this.drain(worker);
    await Promise.all(this.workers.map((worker) => worker.gone));
  }

  private start(count: number, lag?: number): void {
    const { title, logger, nextId } = this.options;
    const why = lag === undefined ? '' : ` at a lag of ${lag}`;
    logger.log(`Starting ${count} worker${count === 1 ? '' : 's'} for ${title}${why}, ${this.processes.size + count} in all`);
    for (let started = 0; started < count; started++) this.fork(nextId());
  }

  private fork(id: number): WorkerProcess {
    const { members } = this.options;
    const listeners = members.flatMap(({ server, listeners: own }) => own.map(({ pattern }) => [server.connection, pattern] as const));
    const patterns = [...new Set(listeners.map(([, pattern]) => pattern))];
    const taken = new Set(this.workers.map(({ assignment }) => assignment.counter));
    let counter = 0;
    while (taken.has(counter)) counter += 1;
    const worker = new WorkerProcess({ assignment: { id, counter, patterns, listeners }, onGone: (one, how) => this.onGone(one, how) });
    this.processes.add(worker);
    return worker;
  }

  private drain(worker: WorkerProcess): void {
    worker.drain(Math.max(...this.options.members.map(({ server }) => server.drainTimeoutMs)) + DRAIN_GRACE_MS);
  }

  /** @param how it ended, where nobody told it to */
  private onGone(worker: WorkerProcess, how: string): void {
    this.processes.delete(worker);
    if (how === '' || this.ended) return;
    this.crashes = worker.ageMs >= STEADY_MS ? 1 : this.crashes + 1;
    const delayMs = Math.round(backoffDelayMs(this.crashes, CRASH_BACKOFF));
    this.startAgainAt = performance.now() + delayMs;
    const { title, logger } = this.options;
    logger.error(
      `Worker ${worker.assignment.id} of ${title} ended by itself (${how}) after ${Math.round(worker.ageMs)} ms; another in ${delayMs} ms`,
    );
  }

  private endFrozen(): void {
    const { title, logger, maxBlockedMs } = this.options;
    for (const worker of this.processes) {
      if (worker.silentMs <= maxBlockedMs || worker.status === 'gone') continue;
      logger.error(
        `Worker ${worker.assignment.id} of ${title} was silent for ${Math.round(worker.silentMs)} ms: its event loop is blocked. It is ended`,
      );
      worker.kill();
    }
  }

  private async partitions(): Promise<number> {
    const counts = await Promise.all(this.options.members.map(({ server, listeners }) => server.partitions(topicsOf(listeners))));
    // Topics that are not there yet are created by the first worker.
    return counts.reduce((sum, count) => sum + count, 0) || 1;
  }

  private async replaceAll(): Promise<void> {
    for (const old of this.workers.filter(isServing)) {
      if (this.ended) return;
      const worker = this.fork(this.options.nextId());
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([worker.ready, new Promise((resolve) => (timer = setTimeout(resolve, READY_TIMEOUT_MS)))]);
      clearTimeout(timer);
      if (worker.status !== 'serving') {
        this.options.logger.error(`The rolling restart of ${this.options.title} stops: its new worker did not come up`);
        this.drain(worker);
        return;
      }
      this.drain(old);
      await old.gone;
    }
  }

  /** Once for each reason, until it has passed. */
  private say({ heldBy }: RescaleDecision, wanted: number, partitions: number): void {
    if (heldBy !== undefined && heldBy !== this.saidHeldBy) {
      const { title, logger } = this.options;
      const why = heldBy === 'memory' ? 'maxTotalMemoryBytes is reached' : `its topics have ${partitions} partitions`;
      logger.warn(`${title} asks for ${wanted} workers and gets fewer: ${why}`);
    }
    this.saidHeldBy = heldBy;
  }
}

const isServing = ({ status }: WorkerProcess): boolean => status === 'starting' || status === 'serving';

const topicsOf = (listeners: readonly SupervisedListener[]): string[] => [...new Set(listeners.map(({ topic }) => topic))];
