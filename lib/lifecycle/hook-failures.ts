import { inspect } from 'node:util';
import type { StreambackLogger } from '../common/logger';

/** A hook that goes on failing is said so often, in ms: a hook of each message must not fill a disk. */
const QUIET_MS = 60_000;

/** Logs the failures of one hook: the first at once, and what follows by its number. */
export class HookFailures {
  private quietUntil = -Infinity;
  private unsaid = 0;

  /** @param hook for the log */
  constructor(
    private readonly hook: string,
    private readonly logger: StreambackLogger,
    private readonly now: () => number,
  ) {}

  add(error: unknown): void {
    if (this.now() < this.quietUntil) {
      this.unsaid += 1;
      return;
    }
    const more = this.unsaid > 0 ? `, ${this.unsaid} times more since that was last said` : '';
    this.quietUntil = this.now() + QUIET_MS;
    this.unsaid = 0;
    this.logger.error(`The hook ${this.hook} failed${more}; nothing else is changed by it: ${described(error)}`);
  }
}

const described = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : inspect(error, { depth: 3 }));
