import { BaseRpcContext } from '@nestjs/microservices';
import type { Run } from '../consumer/run';
import type { MainStreamMessage } from '../streams/main-stream';

/** What a handler can ask of the message that it handles: `@Ctx() context: StreambackContext`. */
export class StreambackContext extends BaseRpcContext<[MainStreamMessage]> {
  readonly #run: Run;
  readonly #pattern: string;
  readonly #connection: string;
  #headers?: Record<string, string>;

  /** Made by `StreambackServer` for each message. */
  constructor(run: Run, pattern: string, connection: string) {
    super([run.message]);
    this.#run = run;
    this.#pattern = pattern;
    this.#connection = connection;
  }

  /** The pattern of the listener. */
  getPattern(): string {
    return this.#pattern;
  }

  /** The name of the connection that it came by. */
  getConnection(): string {
    return this.#connection;
  }

  /** The full topic name. */
  getTopic(): string {
    return this.#run.message.topic;
  }

  /** The message's key as text; null without one. */
  getKey(): string | null {
    return this.#run.message.key?.toString('utf8') ?? null;
  }

  /** The broker's headers as text; of a name that is there twice, the last. */
  getHeaders(): Record<string, string> {
    this.#headers ??= Object.fromEntries(this.#run.message.headers.map(([name, value]) => [name, value.toString('utf8')]));
    return this.#headers;
  }

  /** The message as it came: partition, offset, timestamp, bytes. */
  getMessage(): MainStreamMessage {
    return this.#run.message;
  }

  /** Unique, and the same on every attempt. */
  getId(): string {
    return this.#run.id;
  }

  /** From 1. */
  getAttempt(): number {
    return this.#run.attempt;
  }

  /** The sender's group; null where the message tells none. */
  getSourceGroup(): string | null {
    return this.#run.envelope.sourceGroup;
  }

  /** What is left of the deadline, in ms, never below 0; Infinity without a deadline. */
  getRemainingMs(): number {
    return Math.max(0, this.#run.deadline - Date.now());
  }

  /**
   * Writes one answer; resolves when it is written and there is room for the next. `undefined` is none; in an event nothing happens.
   * @throws StreambackPublishError NOT_SERIALIZABLE, TOO_LARGE
   */
  respond(value: unknown): Promise<void> {
    return this.#run.respond(value);
  }

  /** Aborts when the work is not wanted here any more; its `reason` is a StreambackAbortError. */
  get signal(): AbortSignal {
    return this.#run.signal;
  }
}
