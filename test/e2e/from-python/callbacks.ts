import { Injectable, Module } from '@nestjs/common';
import {
  AutoRestart,
  ListenerStats,
  StreambackLifecycle,
  type ConsumeResult,
  type StreambackContext,
  type StreambackLifecycleHooks,
  type WorkerInfo,
  type WorkerStats,
} from '../../../lib';

// #region callbacks
@StreambackLifecycle()
@Injectable()
export class StreambackCallbacks implements StreambackLifecycleHooks {
  onConsumeBegin(context: StreambackContext): void {
    console.log('on_consume_begin:', context.getPattern());
  }

  onConsumeEnd(_context: StreambackContext, result: ConsumeResult): void {
    console.log('on_consume_end:', result.status);
  }

  onConsumeError(_context: StreambackContext, error: unknown): void {
    console.log('on_consume_exception:', error);
  }

  onWorkerStart(worker: WorkerInfo): void {
    console.log('on_fork:', worker.id);
  }
}

@Module({ providers: [StreambackCallbacks] })
export class CallbacksModule {}
// #endregion

// #region extensions
@StreambackLifecycle()
@Injectable()
export class MyStats implements StreambackLifecycleHooks {
  onStats(stats: WorkerStats): void {
    console.log('on_stats:', stats.rssBytes);
  }
}

@Module({
  providers: [
    MyStats,
    { provide: ListenerStats, useValue: new ListenerStats({ intervalMs: 10_000 }) },
    { provide: AutoRestart, useValue: new AutoRestart({ maxAgeMs: 10_000, maxMemoryBytes: 100_000_000 }) },
  ],
})
export class ExtensionsModule {}
// #endregion
