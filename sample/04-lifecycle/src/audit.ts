import { Injectable } from '@nestjs/common';
import {
  StreambackLifecycle,
  type ConsumeResult,
  type ConsumeRetry,
  type DeadLetter,
  type StreambackAbortError,
  type StreambackContext,
  type StreambackLifecycleHooks,
  type WorkerStats,
} from 'nestjs-streamback';
import { Subject } from 'rxjs';

/** Notes what becomes of each message. What it throws would be logged, and change nothing. */
@StreambackLifecycle()
@Injectable()
export class Audit implements StreambackLifecycleHooks {
  /** Patterns of messages that are over. */
  readonly over = new Subject<string>();
  readonly stats = new Subject<WorkerStats>();

  onConsumeBegin(context: StreambackContext) {
    this.note(context, 'begins');
  }

  onConsumeEnd(context: StreambackContext, { status, answers }: ConsumeResult) {
    this.note(context, `ends as ${status}, with ${answers} answers`);
    this.over.next(context.getPattern());
  }

  onConsumeError(context: StreambackContext, error: unknown) {
    this.note(context, `failed: ${String(error)}`);
  }

  onRetry(context: StreambackContext, { attempt, delayMs }: ConsumeRetry) {
    this.note(context, `failed at attempt ${attempt}, and is tried again in ${delayMs} ms`);
  }

  onCancel(context: StreambackContext, { code }: StreambackAbortError) {
    this.note(context, `was stopped: ${code}`);
  }

  onDeadLetter({ topic, attempts }: DeadLetter) {
    console.log(`   audit: a message of ${topic} was put aside after ${attempts} try`);
  }

  onStats(stats: WorkerStats) {
    this.stats.next(stats);
  }

  private note(context: StreambackContext, what: string) {
    console.log(`   audit: ${context.getPattern()} ${what}`);
  }
}
