import { Inject, Injectable, Logger, Optional, type OnApplicationBootstrap } from '@nestjs/common';
import { backoffDelayMs } from '../common/backoff';
import { aCount, aDuration, checkOptions, invalidOption, type OptionRules } from '../common/option-rules';
import { processRole, type SupervisedWorker, type SupervisorTick } from '../common/process-role';
import { StreambackLifecycle, type StreambackLifecycleHooks } from '../transport/lifecycle.decorator';

/** When `AutoRestart` replaces a worker; at least one of the two limits. */
export interface AutoRestartOptions {
  /** A worker that is older is replaced, in ms. @default none */
  readonly maxAgeMs?: number | undefined;
  /** A worker whose memory (RSS) is larger is replaced, in bytes. @default none */
  readonly maxMemoryBytes?: number | undefined;
  /** Between looks, in ms; at each of them one worker at most is replaced. @default 10_000 */
  readonly checkIntervalMs?: number | undefined;
}

export const AUTO_RESTART_DEFAULTS = { maxAgeMs: Infinity, maxMemoryBytes: Infinity, checkIntervalMs: 10_000 } as const;

export const AUTO_RESTART_RULES: OptionRules<AutoRestartOptions> = {
  maxAgeMs: aDuration(1_000),
  maxMemoryBytes: aCount(1),
  checkIntervalMs: aDuration(100),
};

/** What Nest looks for where the class itself is listed; options are given to the constructor. */
const AUTO_RESTART_OPTIONS = Symbol.for('nestjs-streamback:auto-restart-options');

/** A replacement that does not come up is tried again later and later. */
const FAILED_BACKOFF = { factor: 2, maxDelayMs: 600_000, jitter: 0 };

/**
 * Replaces workers of `runWorkers` that are too old or too large, one at a time: a new one serves first, then the old one is drained. Give
 * it by `{ provide: AutoRestart, useValue: new AutoRestart({ maxAgeMs: 3_600_000 }) }`. Without `runWorkers` it says that it does nothing.
 */
@StreambackLifecycle()
@Injectable()
export class AutoRestart implements StreambackLifecycleHooks, OnApplicationBootstrap {
  private readonly logger = new Logger('Streamback:auto-restart');
  private readonly options: { readonly [Name in keyof AutoRestartOptions]-?: number };
  private lookAt = -Infinity;
  private failures = 0;
  private isReplacing = false;

  /** @throws StreambackConfigError INVALID_OPTION */
  constructor(@Optional() @Inject(AUTO_RESTART_OPTIONS) given: AutoRestartOptions = {}) {
    checkOptions<AutoRestartOptions>(given, AUTO_RESTART_RULES, 'AutoRestart');
    const { maxAgeMs, maxMemoryBytes, checkIntervalMs } = AUTO_RESTART_DEFAULTS;
    this.options = {
      maxAgeMs: given.maxAgeMs ?? maxAgeMs,
      maxMemoryBytes: given.maxMemoryBytes ?? maxMemoryBytes,
      checkIntervalMs: given.checkIntervalMs ?? checkIntervalMs,
    };
    if (given.maxAgeMs === undefined && given.maxMemoryBytes === undefined) {
      throw invalidOption('AutoRestart', 'AutoRestart has no limit: it would never do anything', 'Give it maxAgeMs or maxMemoryBytes.');
    }
  }

  onApplicationBootstrap(): void {
    if (processRole().kind === 'alone') {
      this.logger.warn('AutoRestart does nothing here: there are no workers. Start the app by runWorkers(bootstrap) in main.ts');
    }
  }

  async onSupervisorTick({ workers, replace }: SupervisorTick): Promise<void> {
    const now = performance.now();
    if (this.isReplacing || now < this.lookAt) return;
    this.lookAt = now + this.options.checkIntervalMs;
    const due = workers.filter((worker) => worker.status === 'serving' && this.faultOf(worker) !== undefined);
    // The oldest first, or one that is always due would keep its siblings from their turn.
    const [worker] = due.toSorted((one, other) => other.ageMs - one.ageMs);
    if (!worker) return;
    this.isReplacing = true;
    this.logger.log(`Worker ${worker.id} (${worker.patterns.join(', ')}) is replaced: ${this.faultOf(worker)}`);
    const isReplaced = await replace(worker.id);
    this.isReplacing = false;
    this.failures = isReplaced ? 0 : this.failures + 1;
    if (isReplaced) return;
    const delayMs = backoffDelayMs(this.failures, { ...FAILED_BACKOFF, delayMs: this.options.checkIntervalMs });
    this.lookAt = performance.now() + delayMs;
    this.logger.warn(`Worker ${worker.id} was not replaced: it stays, and is looked at again in ${delayMs} ms`);
  }

  private faultOf({ ageMs, rssBytes }: SupervisedWorker): string | undefined {
    const { maxAgeMs, maxMemoryBytes } = this.options;
    if (rssBytes > maxMemoryBytes) return `its memory is ${rssBytes} bytes, maxMemoryBytes is ${maxMemoryBytes}`;
    return ageMs > maxAgeMs ? `its age is ${Math.round(ageMs)} ms, maxAgeMs is ${maxAgeMs}` : undefined;
  }
}
