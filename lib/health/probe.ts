/** What came of asking: an answer, an error, or silence for so long. */
export type ProbeOutcome =
  | { readonly kind: 'answered' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'silent'; readonly forMs: number };

/** Questions that a server has not answered yet; beyond, none is added, or an outage would pile them up. */
const MAX_OPEN = 3;

/** Asks a server whether it is there, in bounded time. */
export class Probe {
  private open = 0;
  private readonly waiting = new Set<() => void>();

  /** @param question what only a server that works can answer; may take for ever */
  constructor(
    private readonly question: () => Promise<unknown>,
    private readonly timeoutMs: number,
  ) {}

  /** Never rejects, and takes no longer than the timeout. */
  async ask(): Promise<ProbeOutcome> {
    return new Promise((resolve) => {
      const settle = (outcome: ProbeOutcome): void => {
        clearTimeout(timer);
        this.waiting.delete(answered);
        resolve(outcome);
      };
      // The answer to an earlier question is an answer as well: the server is back.
      const answered = (): void => settle({ kind: 'answered' });
      const timer = setTimeout(() => settle({ kind: 'silent', forMs: this.timeoutMs }), this.timeoutMs);
      this.waiting.add(answered);
      if (this.open < MAX_OPEN) this.send((error) => settle({ kind: 'failed', error }));
    });
  }

  private send(failed: (error: unknown) => void): void {
    this.open += 1;
    // Within a promise, so that a question that throws at once is one that rejects.
    void Promise.resolve()
      .then(() => this.question())
      .finally(() => (this.open -= 1))
      .then(() => this.waiting.forEach((answered) => answered()), failed);
  }
}
