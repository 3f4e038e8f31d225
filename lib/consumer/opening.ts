import { backoffDelayMs } from '../common/backoff';
import { StreambackConnectionError, StreambackError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { redact } from '../common/redact';
import { Delay } from '../common/waiting';

/** Servers that came are used well within 5 s (R24). */
const BACKOFF = { delayMs: 200, factor: 2, maxDelayMs: 500, jitter: 0.2 };
/** A group that cannot be joined holds up the start of an app no longer, in ms: most rebalances end sooner. */
const PATIENCE_MS = 10_000;
const WHY_SO_LONG =
  'a member that was killed is waited for until its session timeout is over, and one that is busy until it has drained; else see whether the address is right';
/** So many are logged at most: a reason may have something in it that is another one each time. */
const MAX_REASONS = 10;
const PASSING: ReadonlySet<string> = new Set(['UNREACHABLE', 'FEEDBACK_UNWRITABLE']);

/** Whether an error goes away when a server comes. All else is for people to mend. */
const isPassing = (error: unknown): boolean => error instanceof StreambackConnectionError && PASSING.has(error.code);

/** Waits for all; rejects with what trying again will not mend, if any does. */
export async function allOf(...steps: Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(steps);
  const errors = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  if (errors.length > 0) throw errors.find((error) => !isPassing(error)) ?? errors[0];
}

export interface OpeningOptions {
  /** What needs servers. Called again after it failed. */
  readonly open: () => Promise<void>;
  readonly group: string;
  readonly logger: StreambackLogger;
  /** @default 10_000 */
  readonly patienceMs?: number;
}

/** Opens what needs servers, however long they are away: the one place where a start is tried again. */
export class Opening {
  /** Why it has not succeeded yet, where a try has failed. */
  failure: unknown;
  private readonly told = new Set<string>();
  private readonly delay = new Delay();
  private patience: NodeJS.Timeout | undefined;
  private ended = false;

  constructor(private readonly options: OpeningOptions) {}

  /**
   * Resolves once it is open; or once it is clear that a server is away, and then goes on trying; or where it is ended meanwhile.
   * @throws what trying again will not mend, where the first try meets it
   */
  begin(): Promise<void> {
    return new Promise((resolve, reject) => void this.run(resolve, reject));
  }

  /** No more tries. Idempotent. */
  end(): void {
    this.ended = true;
    clearTimeout(this.patience);
    this.delay.end();
  }

  private async run(started: () => void, failed: (error: unknown) => void): Promise<void> {
    const { open, group, logger, patienceMs = PATIENCE_MS } = this.options;
    this.patience = setTimeout(() => {
      this.tell(new StreambackConnectionError('UNREACHABLE', `the group could not be joined within ${patienceMs} ms; ${WHY_SO_LONG}`));
      started();
    }, patienceMs);
    for (let attempt = 1; ; attempt++) {
      try {
        await open();
        clearTimeout(this.patience);
        if (this.failure !== undefined && !this.ended) logger.log(`Listening as group '${group}' works now`);
        this.failure = undefined;
        return started();
      } catch (error) {
        clearTimeout(this.patience);
        // Closed while it starts: whoever waits for the start has not failed, and what closing cuts short is no news.
        if (this.ended) return started();
        if (this.failure === undefined && !isPassing(error)) return failed(error);
        this.tell(error);
        started();
      }
      await this.delay.wait(backoffDelayMs(attempt, BACKOFF));
      if (this.ended) return;
    }
  }

  /** Each reason once: it may be another server that is away. */
  private tell(error: unknown): void {
    this.failure = error;
    const text = error instanceof StreambackError ? `${error.code}: ${error.message}` : String(error);
    if (this.told.has(text) || this.told.size >= MAX_REASONS) return;
    this.told.add(text);
    this.options.logger.error(redact(`Listening as group '${this.options.group}' does not work yet, trying again until it does: ${text}`));
  }
}
