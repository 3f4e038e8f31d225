/** What was handed over between two flushes. */
interface Span {
  pending: number;
  /** The first that failed, in an object because anything can be thrown. */
  failure: { readonly error: unknown } | undefined;
  done?: () => void;
}

/** Knows when all that was handed over so far is acknowledged, at the price of a counter. */
export class HandedOver {
  private span: Span = { pending: 0, failure: undefined };
  private earlier = new Set<Span>();

  /** One more is handed over, and acknowledged when `sending` resolves. */
  track(sending: Promise<unknown>): void {
    const { span } = this;
    span.pending += 1;
    sending.then(
      () => end(span),
      (error: unknown) => {
        span.failure ??= { error };
        end(span);
      },
    );
  }

  /**
   * Resolves when all that was handed over before is acknowledged.
   * @throws the first failure since the last flush
   */
  async flush(): Promise<void> {
    const { span } = this;
    this.span = { pending: 0, failure: undefined };
    this.earlier.add(span);
    const spans = [...this.earlier];
    await Promise.all(spans.map((each) => ended(each)));
    for (const each of spans) this.earlier.delete(each);
    for (const { failure } of spans) if (failure) throw failure.error;
  }
}

function end(span: Span): void {
  span.pending -= 1;
  if (span.pending === 0) span.done?.();
}

function ended(span: Span): Promise<void> {
  if (span.pending === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const { done } = span;
    span.done = () => (done?.(), resolve());
  });
}
