import type { ChildProcess } from 'node:child_process';
import type { Clock } from '../common/clock';
import type { SupervisedWorker, WorkerAssignment, WorkerStatus } from '../common/process-role';
import { redact } from '../common/redact';
import { within } from '../common/waiting';
import { BEAT_MS, isWorkerMessage, type WorkerMessage } from './worker-messages';

/** A worker that is told to end while it starts is given so long to come up, so that it can leave in good order, in ms. */
const START_GRACE_MS = 3_000;
/** A program that loads slowly says nothing for a while, in ms. */
const LOAD_TIMEOUT_MS = 60_000;

export interface WorkerProcessOptions {
  readonly assignment: WorkerAssignment;
  readonly child: ChildProcess;
  readonly clock: Clock;
  /** A silent event loop is taken for blocked after so long, in ms. */
  readonly maxBlockedMs: number;
  /** Called once, when the process has ended. @param how where it was not told to */
  readonly onGone: (worker: WorkerProcess, how?: string) => void;
}

/** A worker process as its parent sees it, from its fork to its end. */
export class WorkerProcess {
  readonly assignment: WorkerAssignment;
  /** Resolves when it serves, or is gone. */
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
  rssBytes = 0;
  private currentStatus: WorkerStatus = 'starting';
  private readonly startedAt: number;
  /** Counted, not measured: a parent that was stopped itself must not take its workers for dead. */
  private missedBeats = 0;
  private hasSpoken = false;
  /** Why it has to end, where that is its own fault. */
  private fault?: string;
  private becomeReady: () => void = () => undefined;
  private beatTimer: unknown;
  private killTimer: unknown;

  constructor(private readonly options: WorkerProcessOptions) {
    const { assignment, child, clock, onGone } = options;
    this.assignment = assignment;
    this.startedAt = clock.now();
    this.ready = new Promise((resolve) => (this.becomeReady = resolve));
    this.gone = new Promise((resolve) => {
      const end = (how: string): void => {
        if (this.currentStatus === 'gone') return;
        clock.clearTimeout(this.beatTimer);
        clock.clearTimeout(this.killTimer);
        const isExpected = this.currentStatus === 'draining' && this.fault === undefined;
        this.currentStatus = 'gone';
        this.becomeReady();
        onGone(this, isExpected ? undefined : (this.fault ?? how));
        resolve();
      };
      child.once('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
      // It could not be started; of a running one an error means little, and must not go unhandled.
      child.on('error', (error) => child.pid === undefined && end(error.message));
    });
    child.on('message', (message: unknown) => isWorkerMessage(message) && this.onMessage(message));
    this.awaitBeat();
  }

  get pid(): number | undefined {
    return this.options.child.pid;
  }

  /** What others may know of it. */
  get facts(): SupervisedWorker {
    const { id, counter, patterns } = this.assignment;
    const { pid, status, ageMs, rssBytes } = this;
    return { id, counter, patterns, pid, status, ageMs, rssBytes };
  }

  get status(): WorkerStatus {
    return this.currentStatus;
  }

  /** Whether it counts: it takes messages, or will. */
  get isActive(): boolean {
    return (this.currentStatus === 'starting' || this.currentStatus === 'serving') && this.fault === undefined;
  }

  get ageMs(): number {
    return this.options.clock.now() - this.startedAt;
  }

  /** Has it end in good order, and kills it where it has not ended in time. Returns at once. */
  drain(): void {
    const { clock, child, assignment } = this.options;
    if (this.currentStatus === 'gone' || this.currentStatus === 'draining') return;
    const graceMs = this.currentStatus === 'starting' && this.fault === undefined ? START_GRACE_MS : 0;
    this.currentStatus = 'draining';
    void within(graceMs > 0 ? this.ready : undefined, graceMs).then(() => child.kill('SIGTERM'));
    this.killTimer = clock.setTimeout(() => child.kill('SIGKILL'), graceMs + assignment.endWithinMs);
  }

  private onMessage({ state, rssBytes, reason }: WorkerMessage): void {
    this.missedBeats = 0;
    this.hasSpoken = true;
    this.rssBytes = rssBytes;
    if (state === 'serving') {
      if (this.currentStatus === 'starting') this.currentStatus = 'serving';
      this.becomeReady();
    }
    if (state === 'failed' && this.fault === undefined) {
      this.fault = `it could not start: ${redact(reason ?? '')}`;
      this.becomeReady();
      this.drain();
    }
  }

  private awaitBeat(): void {
    this.beatTimer = this.options.clock.setTimeout(() => {
      this.missedBeats += 1;
      const { maxBlockedMs, child } = this.options;
      const silentMs = this.missedBeats * BEAT_MS;
      if (silentMs > (this.hasSpoken ? maxBlockedMs : Math.max(maxBlockedMs, LOAD_TIMEOUT_MS))) {
        this.fault ??= `its event loop was blocked for ${silentMs} ms, so it was killed`;
        child.kill('SIGKILL');
      } else this.awaitBeat();
    }, BEAT_MS);
  }
}
