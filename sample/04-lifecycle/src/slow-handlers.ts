import { StreambackLifecycle, type StreambackContext, type StreambackLifecycleHooks } from 'nestjs-streamback';

/** An extension of one's own: tells of handlers that take too long, while they do. */
@StreambackLifecycle()
export class SlowHandlers implements StreambackLifecycleHooks {
  private readonly limitMs: number;
  private readonly timers = new Map<StreambackContext, NodeJS.Timeout>();

  constructor({ limitMs = 1_000 } = {}) {
    this.limitMs = limitMs;
  }

  onConsumeBegin(context: StreambackContext) {
    const tell = () => console.log(`   slow: ${context.getPattern()} takes more than ${this.limitMs} ms`);
    this.timers.set(context, setTimeout(tell, this.limitMs));
  }

  // The context of a retry is another one, with the same id: what is kept over tries is kept by context.getId().
  onRetry(context: StreambackContext) {
    this.forget(context);
  }

  onConsumeEnd(context: StreambackContext) {
    this.forget(context);
  }

  private forget(context: StreambackContext) {
    clearTimeout(this.timers.get(context));
    this.timers.delete(context);
  }
}
