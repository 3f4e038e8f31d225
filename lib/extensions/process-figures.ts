import type { WorkerStats } from '../lifecycle/worker-stats';
import { LoopDelay } from './loop-delay';

const MICROSECONDS_A_MS = 1_000;

/** Measures this process, from one reading to the next. */
export class ProcessFigures {
  private readonly delay = new LoopDelay();
  private cpu = process.cpuUsage();
  private since = performance.now();

  /** Since the last reading. */
  read(): Pick<WorkerStats, 'intervalMs' | 'rssBytes' | 'cpuRatio' | 'eventLoopDelayMs'> {
    const intervalMs = performance.now() - this.since;
    const cpu = process.cpuUsage();
    const busyMs = (cpu.user - this.cpu.user + cpu.system - this.cpu.system) / MICROSECONDS_A_MS;
    this.since += intervalMs;
    this.cpu = cpu;
    return { intervalMs, rssBytes: process.memoryUsage.rss(), cpuRatio: busyMs / intervalMs, eventLoopDelayMs: this.delay.read() };
  }

  end(): void {
    this.delay.end();
  }
}
