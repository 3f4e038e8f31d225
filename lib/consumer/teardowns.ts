import type { StreambackAbortError } from '../common/errors';

export type Teardown = (reason: StreambackAbortError) => void;

/** What is called at an abort. Most runs have one, which costs no set. */
export class Teardowns {
  private first: Teardown | undefined;
  private others: Set<Teardown> | undefined;

  add(teardown: Teardown): void {
    if (this.first) (this.others ??= new Set()).add(teardown);
    else this.first = teardown;
  }

  delete(teardown: Teardown): void {
    if (this.first === teardown) this.first = undefined;
    else this.others?.delete(teardown);
  }

  /** Calls all, once. */
  run(reason: StreambackAbortError): void {
    const { first, others = [] } = this;
    this.first = this.others = undefined;
    first?.(reason);
    for (const teardown of others) teardown(reason);
  }
}
