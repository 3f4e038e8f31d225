import { Inject, Injectable, Logger, Optional, type OnModuleDestroy } from '@nestjs/common';
import { aBoolean, aDuration, checkOptions, type OptionRules } from '../common/option-rules';
import { within } from '../common/waiting';
import type { ConsumeResult, StreambackListening } from '../lifecycle/hooks';
import type { ListenerStatsFigures, WorkerStats } from '../lifecycle/worker-stats';
import { StreambackLifecycle, type StreambackLifecycleHooks } from '../transport/lifecycle.decorator';
import type { StreambackContext } from '../transport/streamback.context';
import { ListenerFigures } from './listener-figures';
import { ProcessFigures } from './process-figures';
import { statsLine } from './stats-line';

/** What `ListenerStats` measures, and whether it says so. */
export interface ListenerStatsOptions {
  /** Between two readings, in ms. @default 5_000 */
  readonly intervalMs?: number | undefined;
  /** Whether each reading is a log line. `onStats` is called in any case. @default true */
  readonly log?: boolean | undefined;
}

export const LISTENER_STATS_DEFAULTS = { intervalMs: 5_000, log: true } as const satisfies ListenerStatsOptions;

export const LISTENER_STATS_RULES: OptionRules<ListenerStatsOptions> = { intervalMs: aDuration(100), log: aBoolean };

/** What Nest looks for where the class itself is listed; without it the defaults hold. */
const LISTENER_STATS_OPTIONS = Symbol.for('nestjs-streamback:listener-stats-options');

/**
 * Measures each process that listens, and its listeners, and gives the figures to `onStats` of every lifecycle provider and to the log. List it
 * in `providers`, or give it by `{ provide: ListenerStats, useValue: new ListenerStats({ log: false }) }`.
 */
@StreambackLifecycle()
@Injectable()
export class ListenerStats implements StreambackLifecycleHooks, OnModuleDestroy {
  private readonly logger = new Logger('Streamback:stats');
  private readonly options: Required<ListenerStatsOptions>;
  private readonly listenings: StreambackListening[] = [];
  /** By connection, then pattern. */
  private readonly figures = new Map<string, Map<string, ListenerFigures>>();
  /** What was asked for and not told yet. */
  private readonly askedLags = new Map<StreambackListening, Promise<ReadonlyMap<string, number>>>();
  private ownFigures?: ProcessFigures;
  private timer?: NodeJS.Timeout;
  private isReading = false;

  /** @throws StreambackConfigError INVALID_OPTION */
  constructor(@Optional() @Inject(LISTENER_STATS_OPTIONS) given: ListenerStatsOptions = {}) {
    checkOptions<ListenerStatsOptions>(given, LISTENER_STATS_RULES, 'ListenerStats');
    this.options = { intervalMs: given.intervalMs ?? LISTENER_STATS_DEFAULTS.intervalMs, log: given.log ?? LISTENER_STATS_DEFAULTS.log };
  }

  onListen(listening: StreambackListening): void {
    const { connection, patterns } = listening;
    this.listenings.push(listening);
    this.figures.set(connection, new Map(patterns.map((pattern) => [pattern, new ListenerFigures(connection, pattern)])));
    this.ownFigures ??= new ProcessFigures();
    this.timer ??= setInterval(() => void this.read(), this.options.intervalMs).unref();
  }

  onConsumeBegin(context: StreambackContext): void {
    this.figuresOf(context)?.begin();
  }

  onConsumeEnd(context: StreambackContext, result: ConsumeResult): void {
    this.figuresOf(context)?.end(result);
  }

  /** No reading any more: what drains afterwards is not measured. */
  onModuleDestroy(): void {
    clearInterval(this.timer);
    this.ownFigures?.end();
  }

  private figuresOf(context: StreambackContext): ListenerFigures | undefined {
    return this.figures.get(context.getConnection())?.get(context.getPattern());
  }

  /** One at a time: a broker that is away answers late. What is counted is read first: its interval is not one in which that was waited for. */
  private async read(): Promise<void> {
    if (this.isReading) return;
    this.isReading = true;
    const measured = this.ownFigures!.read();
    const [{ worker, tellStats } = { worker: null, tellStats: undefined }] = this.listenings;
    const listeners = await Promise.all(this.listenings.map((listening) => this.figuresAndLags(listening)));
    this.isReading = false;
    const stats: WorkerStats = { worker, ...measured, listeners: listeners.flat() };
    tellStats?.(stats);
    if (this.options.log) this.logger.log(statsLine(stats));
  }

  /** Counts at once, and adds the lags when they are told. */
  private async figuresAndLags(listening: StreambackListening): Promise<ListenerStatsFigures[]> {
    const counted = [...this.figures.get(listening.connection)!.values()].map((figures) => figures.read());
    const lags = await this.lagsOf(listening);
    return counted.map((figures) => ({ ...figures, lag: lags.get(figures.pattern) ?? null }));
  }

  /**
   * None where the broker does not tell within half an interval; what it tells later is for the next reading, and it is not asked again before:
   * questions would pile up, and those of others would wait behind them.
   */
  private async lagsOf(listening: StreambackListening): Promise<ReadonlyMap<string, number>> {
    let lags: ReadonlyMap<string, number> = new Map();
    let isAnswered = false;
    const asked = this.askedLags.get(listening) ?? listening.lag();
    this.askedLags.set(listening, asked);
    await within(
      asked.then((read) => void (lags = read)).finally(() => (isAnswered = true)),
      this.options.intervalMs / 2,
    );
    if (isAnswered) this.askedLags.delete(listening);
    return lags;
  }
}
