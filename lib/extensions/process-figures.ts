import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { WorkerStats } from '../lifecycle/worker-stats';

/** Between two looks at the event loop, in ms. */
const RESOLUTION_MS = 20;
const NANOSECONDS_A_MS = 1_000_000;
const MICROSECONDS_A_MS = 1_000;

/** Measures this process, from one reading to the next. */
export class ProcessFigures {
  private readonly delays: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  private cpu = process.cpuUsage();
  private since = performance.now();

  constructor() {
    this.delays.enable();
  }

  /** Since the last reading. */
  read(): Pick<WorkerStats, 'intervalMs' | 'rssBytes' | 'cpuRatio' | 'eventLoopDelayMs'> {
    const intervalMs = performance.now() - this.since;
    const cpu = process.cpuUsage();
    const busyMs = (cpu.user - this.cpu.user + cpu.system - this.cpu.system) / MICROSECONDS_A_MS;
    this.since += intervalMs;
    this.cpu = cpu;
    // The histogram counts from one look to the next, its own interval included.
    const eventLoopDelayMs = Math.max(0, this.delays.max / NANOSECONDS_A_MS - RESOLUTION_MS);
    this.delays.reset();
    return {
      intervalMs,
      rssBytes: process.memoryUsage.rss(),
      cpuRatio: busyMs / intervalMs,
      eventLoopDelayMs,
    };
  }

  end(): void {
    this.delays.disable();
  }
}
