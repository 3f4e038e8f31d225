import type { ConsumeResult } from '../lifecycle/hooks';
import type { ListenerStatsFigures } from '../lifecycle/worker-stats';

/** Counts what one listener does, from one reading to the next. */
export class ListenerFigures {
  private inFlight = 0;
  private handled = 0;
  private failed = 0;
  private answered = 0;
  private firstAnswersMs = 0;
  private lastAnswersMs = 0;

  constructor(
    readonly connection: string,
    readonly pattern: string,
  ) {}

  begin(): void {
    this.inFlight += 1;
  }

  end({ status, firstAnswerMs, lastAnswerMs }: ConsumeResult): void {
    this.inFlight -= 1;
    this.handled += 1;
    if (status === 'failed') this.failed += 1;
    if (firstAnswerMs === null || lastAnswerMs === null) return;
    this.answered += 1;
    this.firstAnswersMs += firstAnswerMs;
    this.lastAnswersMs += lastAnswerMs;
  }

  /** Since the last reading; the lag is others' to tell. */
  read(): Omit<ListenerStatsFigures, 'lag'> {
    const { connection, pattern, inFlight, handled, failed, answered } = this;
    const mean = (sum: number): number | null => (answered === 0 ? null : sum / answered);
    const [firstAnswerMs, lastAnswerMs] = [mean(this.firstAnswersMs), mean(this.lastAnswersMs)];
    this.handled = this.failed = this.answered = this.firstAnswersMs = this.lastAnswersMs = 0;
    return { connection, pattern, handled, failed, inFlight, firstAnswerMs, lastAnswerMs };
  }
}
