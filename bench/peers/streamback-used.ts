import { StreambackLifecycle, type ConsumeResult, type StreambackContext, type StreambackLifecycleHooks } from 'nestjs-streamback';
import { brokersOf, streambackPeer } from './streamback-peer';

/** Hears of every message, and keeps next to nothing of it: what is measured is the calling. */
@StreambackLifecycle()
class Listening implements StreambackLifecycleHooks {
  private begun = 0;
  private answers = 0;
  private failures = 0;

  onConsumeBegin(_context: StreambackContext): void {
    this.begun += 1;
  }

  onConsumeEnd(_context: StreambackContext, { answers }: ConsumeResult): void {
    this.answers += answers;
  }

  onConsumeError(): void {
    this.failures += 1;
  }

  onRetry(): void {
    this.failures += 1;
  }

  onCancel(): void {
    this.failures += 1;
  }
}

/** What an app may switch on is in use: retries, dead letters, a deadline for each request, and hooks, Nest's and the library's, around each message. */
export const peer = streambackPeer(brokersOf, {
  options: {
    defaultListenerOptions: { retry: { times: 3 }, deadLetterTopic: 'bench.failed' },
    defaultRequestOptions: { timeoutMs: 30_000 },
  },
  providers: [Listening],
  prepare(server) {
    server.setOnProcessingStartHook((_transportId, _context, done) => done());
    server.setOnProcessingEndHook(() => {});
  },
});
