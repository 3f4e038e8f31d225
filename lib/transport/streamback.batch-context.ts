import { BaseRpcContext } from '@nestjs/microservices';
import type { BatchRun } from '../consumer/batch-run';
import type { MainStreamMessage } from '../streams/main-stream';
import { contextOf } from './app-lifecycle';
import type { StreambackContext } from './streamback.context';

/** What a batch handler can ask of the messages that it handles: its second argument, or `@Ctx()`. */
export class StreambackBatchContext extends BaseRpcContext<MainStreamMessage[]> {
  readonly #batch: BatchRun;
  readonly #pattern: string;
  readonly #connection: string;
  #contexts?: readonly StreambackContext[];

  /** Made by `StreambackServer` for each try of a batch. */
  constructor(batch: BatchRun, pattern: string, connection: string) {
    super(batch.runs.map(({ message }) => message));
    this.#batch = batch;
    this.#pattern = pattern;
    this.#connection = connection;
  }

  /** The context of each message, in the order of the payloads: key, headers, id, `respond()` and a signal of its own. */
  getContexts(): readonly StreambackContext[] {
    this.#contexts ??= this.#batch.runs.map((run) => contextOf(run, this.#pattern, this.#connection));
    return this.#contexts;
  }

  /** The pattern of the listener. */
  getPattern(): string {
    return this.#pattern;
  }

  /** Aborts once none of the messages is wanted here any more; its `reason` is a StreambackAbortError. */
  get signal(): AbortSignal {
    return this.#batch.signal;
  }
}
