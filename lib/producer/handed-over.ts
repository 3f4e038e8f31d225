/** In an object because anything can be thrown. */
export interface Failure {
  readonly error: unknown;
}

/** Told once what became of a message: nothing where it is acknowledged. */
export type Settled = (failure?: Failure) => void;

/** A promise of an acknowledgement, for those who wait for one. */
export const acknowledgement = (send: (settled: Settled) => void): Promise<void> =>
  new Promise((resolve, reject) => send((failure) => (failure ? reject(failure.error as Error) : resolve())));

/** What was handed over between two flushes. */
export interface Span {
  pending: number;
  /** The first that failed. */
  failure: Failure | undefined;
  done?: () => void;
}

/** Knows when all that was handed over so far is acknowledged, at the price of a counter. */
export class HandedOver {
  private span: Span = { pending: 0, failure: undefined };
  private earlier = new Set<Span>();

  /** One more is handed over. @returns what it belongs to, for {@link end} */
  begin(): Span {
    this.span.pending += 1;
    return this.span;
  }

  /** It is acknowledged, or has failed. */
  end(span: Span, failure?: Failure): void {
    span.failure ??= failure;
    span.pending -= 1;
    if (span.pending === 0) span.done?.();
  }

  /** One more is handed over, and acknowledged when `sending` resolves. */
  track(sending: Promise<unknown>): void {
    const span = this.begin();
    sending.then(
      () => this.end(span),
      (error: unknown) => this.end(span, { error }),
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

function ended(span: Span): Promise<void> {
  if (span.pending === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const { done } = span;
    span.done = () => (done?.(), resolve());
  });
}
