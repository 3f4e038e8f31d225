import type { ChildProcess } from 'node:child_process';
import { backoffDelayMs } from '../common/backoff';
import type { Clock } from '../common/clock';
import type { StreambackLogger } from '../common/logger';
import { within } from '../common/waiting';
import { Demand, type Demanded, type SetMember } from './demand';
import type { ForkWorker } from './fork-worker';
import { rescale, type RescaleDecision } from './rescale';
import type { Scale } from './scale';
import { WorkerProcess } from './worker-process';

/** A worker that lived for so long has not crashed at start: the backoff begins anew, in ms. */
const STEADY_MS = 30_000;
const CRASH_BACKOFF = { delayMs: 500, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };
/** Closing takes a moment longer than handlers are waited for, in ms. */
const CLOSE_GRACE_MS = 10_000;
/** A new worker of a rolling restart that does not serve by then is given up, in ms. */
const READY_TIMEOUT_MS = 60_000;

/** What all sets of a supervisor share. */
export interface WorkerSetSettings {
  readonly minWorkerAgeMs: number;
  readonly maxBlockedMs: number;
  readonly fork: ForkWorker;
  readonly clock: Clock;
  readonly logger: StreambackLogger;
  /** A number that no worker had before. */
  readonly nextId: () => number;
  /** How many more workers memory allows for. */
  readonly room: () => number;
}

export interface WorkerSetOptions extends WorkerSetSettings {
  /** For log lines. */
  readonly title: string;
  readonly scale: Scale;
  readonly members: readonly SetMember[];
}

/** The worker processes of listeners that scale together: started and drained as lag asks for, replaced when they end by themselves. */
export class WorkerSet {
  private readonly processes = new Set<WorkerProcess>();
  private readonly demand: Demand;
  private readonly endWithinMs: number;
  private readonly said = new Set<string>();
  private crashes = 0;
  private startAgainAt = -Infinity;
  private isChecking = false;
  private ended = false;
  private rolling?: Promise<void>;
  private replacing?: Promise<boolean>;
  private lastLag: number | undefined;

  constructor(private readonly options: WorkerSetOptions) {
    const { title, scale, members, logger } = options;
    this.demand = new Demand(title, scale, members, logger);
    this.endWithinMs = Math.max(...members.map(({ server }) => server.drainTimeoutMs)) + CLOSE_GRACE_MS;
  }

  get workers(): readonly WorkerProcess[] {
    return [...this.processes];
  }

  /** At the last look; nothing where it could not be read. */
  get lag(): number | undefined {
    return this.lastLag;
  }

  /** Looks at the lag and changes the number of workers. Never rejects, waits for no worker; one at a time, so that a slow broker makes no heap. */
  async check(): Promise<void> {
    if (this.isChecking || this.ended) return;
    this.isChecking = true;
    const demanded = await this.demand.read(
      () => this.active.length,
      () => (this.startAgainAt = -Infinity),
    );
    this.isChecking = false;
    this.lastLag = demanded.lag;
    if (!this.ended) this.follow(demanded);
  }

  /** Replaces each worker by a new one that serves first. Never rejects. */
  roll(): Promise<void> {
    this.rolling ??= this.replaceAll().finally(() => (this.rolling = undefined));
    return this.rolling;
  }

  /**
   * Replaces one worker by a new one that serves first; a replacement under way is awaited before. Never rejects.
   * @returns whether it was: not where it is gone, or the new one did not come up, and then the old one stays
   */
  async replace(old: WorkerProcess): Promise<boolean> {
    while (this.replacing) await this.replacing;
    if (this.ended || !old.isActive) return false;
    this.replacing = this.replaceNow(old).finally(() => (this.replacing = undefined));
    return this.replacing;
  }

  /** Drains all workers, and resolves when they are gone. Idempotent. */
  async end(): Promise<void> {
    this.ended = true;
    for (const worker of this.processes) worker.drain();
    await Promise.all(this.workers.map(({ gone }) => gone));
  }

  private get active(): readonly WorkerProcess[] {
    return this.workers.filter(({ isActive }) => isActive);
  }

  private follow({ lag, wanted, stillWanted, partitions }: Demanded): void {
    const { title, logger, clock, minWorkerAgeMs, room } = this.options;
    const workers = this.workers;
    const decision = rescale({ wanted, stillWanted, partitions, workers, minWorkerAgeMs, room: room() });
    this.sayOnce(decision, wanted, partitions);
    const at = lag === undefined ? '' : ` at a lag of ${lag}`;
    const count = this.active.length;
    if (decision.start > 0 && clock.now() >= this.startAgainAt) {
      let started = 0;
      while (started < decision.start && this.fork()) started += 1;
      if (started > 0) logger.log(`${title}: ${counted(started, 'worker')} started${at}, ${count + started} in all`);
    }
    // While one is replaced there is one more for a while.
    if (decision.drain.length > 0 && !this.rolling && !this.replacing) {
      logger.log(`${title}: ${counted(decision.drain.length, 'worker')} ended${at}, ${count - decision.drain.length} left`);
      for (const position of decision.drain) workers[position]!.drain();
    }
  }

  /** Nothing where the system starts no process just now, for want of memory for instance: it is tried again as after a crash. */
  private fork(): WorkerProcess | undefined {
    const { members, nextId, fork, clock, maxBlockedMs } = this.options;
    const listeners = members.flatMap(({ server, listeners: own }) => own.map(({ pattern }) => [server.connection, pattern] as const));
    const patterns = [...new Set(listeners.map(([, pattern]) => pattern))];
    const taken = new Set(this.workers.map(({ assignment }) => assignment.counter));
    let counter = 0;
    while (taken.has(counter)) counter += 1;
    const assignment = { id: nextId(), counter, patterns, listeners, endWithinMs: this.endWithinMs };
    const onGone = (worker: WorkerProcess, how?: string): void => this.onGone(worker, how);
    let child: ChildProcess;
    try {
      child = fork(assignment);
    } catch (error) {
      this.onCrash(`worker ${assignment.id} could not be started (${String(error)})`, 0);
      return undefined;
    }
    const worker = new WorkerProcess({ assignment, child, clock, maxBlockedMs, onGone });
    this.processes.add(worker);
    return worker;
  }

  /** @param how it ended, where it was not told to */
  private onGone(worker: WorkerProcess, how: string | undefined): void {
    this.processes.delete(worker);
    if (how === undefined || this.ended) return;
    const { ageMs } = worker;
    this.onCrash(`worker ${worker.assignment.id} ended by itself after ${Math.round(ageMs)} ms (${how})`, ageMs);
  }

  /** @param what for the log */
  private onCrash(what: string, livedMs: number): void {
    const { title, logger, clock } = this.options;
    this.crashes = livedMs >= STEADY_MS ? 1 : this.crashes + 1;
    const delayMs = backoffDelayMs(this.crashes, CRASH_BACKOFF);
    this.startAgainAt = clock.now() + delayMs;
    logger.error(`${title}: ${what}; the next is started in ${delayMs} ms or later`);
  }

  private async replaceAll(): Promise<void> {
    for (const old of this.active) {
      if (this.ended) return;
      if (!old.isActive || (await this.replace(old))) continue;
      // One that has ended by itself is replaced as any that crashes.
      if (this.ended || !old.isActive) continue;
      this.options.logger.error(`${this.options.title}: the rolling restart stops, because its new worker did not come up`);
      return;
    }
  }

  private async replaceNow(old: WorkerProcess): Promise<boolean> {
    const worker = this.fork();
    if (!worker) return false;
    await within(worker.ready, READY_TIMEOUT_MS);
    if (worker.status !== 'serving') {
      worker.drain();
      return false;
    }
    old.drain();
    await old.gone;
    return true;
  }

  /** Memory comes and goes; partitions are said once for each number of them. */
  private sayOnce({ heldBy }: RescaleDecision, wanted: number, partitions: number): void {
    const why = heldBy === 'memory' ? 'maxTotalMemoryBytes is reached' : `${counted(partitions, 'partition')} can keep no more busy`;
    if (heldBy !== 'memory') this.said.delete('maxTotalMemoryBytes is reached');
    if (heldBy === undefined || this.said.has(why)) return;
    this.said.add(why);
    this.options.logger.warn(`${this.options.title}: ${counted(wanted, 'worker')} wanted, fewer started: ${why}`);
  }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
