import type { ListenerHooks } from '../lifecycle/told-hooks';
import type { DeadLetter } from './dead-letter';
import { INBOX_LOST, type Run } from './run';
import type { RunOutcome } from './run-result';

/** Tells hooks of one message, from its begin to its end; made only where somebody listens. */
export class HookedMessage {
  private run?: Run;
  private hasBegun = false;
  private startedAt = 0;
  private answers = 0;
  private firstAnswerAt: number | undefined;
  private lastAnswerAt: number | undefined;

  /** @param now ms, of whatever clock */
  constructor(
    private readonly hooks: ListenerHooks<Run, DeadLetter>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Called with each answer. */
  readonly onAnswer = (): void => {
    this.lastAnswerAt = this.now();
    this.firstAnswerAt ??= this.lastAnswerAt;
    this.answers += 1;
  };

  /** The next run of the message. */
  follow(run: Run): void {
    this.run = run;
    this.answers = 0;
    this.firstAnswerAt = this.lastAnswerAt = undefined;
    const { cancel } = this.hooks;
    // One whose inbox is lost goes on in another run.
    if (cancel) run.onAbort((reason) => this.hasBegun && reason !== INBOX_LOST && cancel(run, reason));
  }

  /** To be awaited before the handler is called; nothing is waited for once the run is aborted. */
  async begin(run: Run): Promise<void> {
    if (this.hasBegun) return;
    this.hasBegun = true;
    const told = this.hooks.begin?.(run);
    if (told) await run.untilAborted(told);
    this.startedAt = this.now();
  }

  /** It cannot be answered. */
  unanswered(error: unknown): void {
    if (this.hasBegun) this.hooks.error?.(this.run!, error);
  }

  /** Once for each message that has begun. @returns what is to be awaited */
  end(outcome: RunOutcome): Promise<void> | undefined {
    if (!this.hasBegun) return undefined;
    const run = this.run!;
    const since = (at: number | undefined): number | null => (at === undefined ? null : at - this.startedAt);
    return this.hooks.end?.(run, {
      status: run.aborted || outcome === 'again' ? 'cancelled' : outcome,
      answers: this.answers,
      durationMs: this.now() - this.startedAt,
      firstAnswerMs: since(this.firstAnswerAt),
      lastAnswerMs: since(this.lastAnswerAt),
    });
  }
}
