import { Server, type BaseRpcContext, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { Observable } from 'rxjs';
import { StreambackConfigError } from '../common/errors';
import { firstNames } from '../common/first-names';
import { invalidOption } from '../common/option-rules';
import { redact } from '../common/redact';
import type { Consumer } from '../consumer/consumer';
import { withDefaults, type BatchListener, type Listener, type ListenerOptions } from '../consumer/listener';
import type { Run } from '../consumer/run';
import { topicOf } from '../protocol/topic-name';
import type { StreambackOptions } from '../streamback.options';
import { DEFAULT_CONNECTION, getStreambackTransportId } from '../streamback.tokens';
import type { StreamStatus } from '../streams/main-stream';
import { contextOf, type AppLifecycle } from './app-lifecycle';
import { assignedListeners, endWorkers } from './assigned-listeners';
import { connectionOf, StreambackConnection } from './connection';
import { callDirectly } from './direct-handlers';
import { WITHOUT_TRANSPORT } from './handler.explorer';
import { PatternHandlers, type BatchHandler } from './pattern-handlers';
import { RemoteHandlers, remotePattern } from './remote-handlers';
import type { RemoteMethod } from './remote.explorer';
import { statusOf } from './status';
import { StreambackBatchContext } from './streamback.batch-context';
import type { StreambackContext } from './streamback.context';

/** What an app has besides the handlers that Nest gives a server. */
export interface ServedApp {
  /** Its hooks. @throws StreambackConfigError INVALID_OPTION */
  lifecycle(): AppLifecycle;
  /** A connection's remote methods. @throws StreambackConfigError INVALID_OPTION */
  remotes(connection: string): readonly RemoteMethod[];
}

/** What takes the messages of one pattern. */
interface Handlers extends Pick<PatternHandlers, 'pattern' | 'topic' | 'options'> {
  readonly batch?: BatchHandler;
  readonly answering?: number;
  handle(run: Run, context: StreambackContext): unknown;
  readonly takesEvents?: boolean;
}

/** Nest's transport strategy: every `@MessagePattern` and `@EventPattern` handler becomes a listener on its pattern's topic. */
export class StreambackServer extends Server<never> implements CustomTransportStrategy {
  override readonly transportId: symbol;
  /** Nest 12: failures of event handlers are reported here, not by Nest. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly connection: StreambackConnection;
  private readonly isOfModule: boolean;
  private readonly patterns = new Map<string, PatternHandlers>();
  /** Nest's, which calls what it is given and nothing else. */
  private readonly plainStartHook = this.onProcessingStartHook;
  private consumer?: Consumer;
  private started = false;
  private isLeaving = false;
  private closing?: Promise<void>;

  /**
   * @param options those of `StreambackModule.forRoot`, or a connection that is shared with a client
   * @param app whose hooks are called and whose remote methods are listened for; none without the module
   * @throws StreambackConfigError
   */
  constructor(
    options: StreambackOptions | StreambackConnection,
    private readonly app?: ServedApp,
  ) {
    super();
    callDirectly();
    this.isOfModule = options instanceof StreambackConnection;
    this.connection = connectionOf(options);
    this.connection.retain();
    this.transportId = getStreambackTransportId(this.connection.options.connection);
  }

  /** The connection's status, now and with each change. */
  override get status(): Observable<StreamStatus> {
    return statusOf(this.connection);
  }

  /**
   * Called by Nest for each handler.
   * @throws StreambackConfigError INVALID_PATTERN, INVALID_OPTION
   */
  override addHandler(pattern: any, callback: MessageHandler, isEventHandler = false, extras: Record<string | symbol, any> = {}): void {
    const { connection, topicsPrefix } = this.connection.options;
    // Nest gives a handler that names no transport to every server; the module has marked it as the default connection's.
    if (this.isOfModule && connection !== DEFAULT_CONNECTION && extras[WITHOUT_TRANSPORT] === true) return;
    const route = this.normalizePattern(pattern);
    const known = this.patterns.get(route);
    const handlers = known ?? new PatternHandlers(route, topicOf(route, topicsPrefix));
    handlers.add(callback, isEventHandler, extras);
    if (known) return;
    this.patterns.set(route, handlers);
    super.addHandler(pattern, callback, isEventHandler, extras);
  }

  /**
   * Called by Nest. Calls back once the consumer is assigned, so that the first request is never lost; or, where a server is away, once
   * that is clear: it is tried again until it works. What trying again will not mend, as a refused password, is given to the callback;
   * also INVALID_OPTION, where the server was connected twice.
   */
  listen(callback: (error?: unknown) => void): void {
    if (this.started) return callback(connectedTwice(this.connectionName));
    this.started = true;
    this.start().then(
      () => callback(),
      (error: unknown) => callback(error),
    );
  }

  /** Stops fetching, waits for handlers up to `drainTimeoutMs`, aborts the rest, then frees everything. Idempotent. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      await this.drain();
      await this.connection.release();
    })();
    return this.closing;
  }

  /** The first half of {@link close}: after it no handler runs; a shared client still works. Idempotent. */
  async drain(): Promise<void> {
    if (!this.isLeaving) this.sayWhatIsWaitedFor();
    this.isLeaving = true;
    await endWorkers();
    await this.consumer?.close();
  }

  /** `[main, feedback]`: the drivers' own objects. */
  unwrap<T>(): T {
    return [this.connection.main.unwrap(), this.connection.feedback?.unwrap()] as T;
  }

  /** Not there: a stream has no events of its own. Use {@link status}. */
  on(): void {}

  /** Internal. */
  get connectionName(): string {
    return this.connection.options.connection;
  }

  /** Whether Nest has told it to listen. Internal. */
  get hasStarted(): boolean {
    return this.started;
  }

  /** The patterns that it has handlers for. Internal. */
  routes(): string[] {
    return [...this.patterns.values(), ...this.remotes()].map(({ pattern }) => pattern);
  }

  /** Whether it has handlers for a pattern. Internal. */
  handles(pattern: string | object): boolean {
    const route = this.normalizePattern(pattern as string);
    return this.routes().includes(route);
  }

  /** A pattern as {@link StreambackContext.getPattern} gives it. Internal. */
  routeOf(pattern: string | object): string {
    return this.normalizePattern(pattern as string);
  }

  private async start(): Promise<void> {
    const { topicsPrefix, connection, group, listeners: defaults, listenOnly } = this.connection.options;
    const lifecycle = this.app?.lifecycle();
    const starting = lifecycle?.startProcess();
    if (starting) await starting;
    if (this.isLeaving) return;
    const all: Handlers[] = [...this.patterns.values(), ...this.remotes()];
    if (all.length === 0) {
      const whose = connection === DEFAULT_CONNECTION ? '' : ` for the connection '${connection}'`;
      const what = '@MessagePattern, @EventPattern or @BatchPattern';
      this.connection.logger.warn(`Listens to nothing: no controller has a ${what}${whose}, no provider a @Remote`);
    }
    const listeners = chosenPatterns(all, listenOnly).map((handlers): Listener => {
      const { pattern, topic, options, answering = 1 } = handlers;
      if (answering > 1) this.connection.logger.log(`Requests to '${pattern}' are answered by ${answering} handlers, one after another`);
      return {
        pattern,
        topic,
        options: withDeadLetterTopic(withDefaults(options, defaults), topicsPrefix),
        takesEvents: handlers.takesEvents,
        handle: (run) => this.process(run, contextOf(run, pattern, connection), (context) => handlers.handle(run, context)),
        batch: handlers.batch && this.batchOf(pattern, handlers.batch),
        hooks: lifecycle?.listenerHooks(connection, pattern),
      };
    });
    const own = assignedListeners(this.connection, listeners);
    if (own.length === 0) return;
    this.consumer = this.connection.listen(own, lifecycle?.connectionHooks(connection, own));
    lifecycle?.listens(this.connection, own);
    await this.consumer.start();
    if (this.isLeaving) return;
    const does = this.consumer.facts().joined ? 'Listens' : 'Is going to listen';
    this.connection.logger.log(`${does} to ${firstNames(own.map(({ pattern }) => pattern))} as group '${group}' on ${this.address()}`);
  }

  private sayWhatIsWaitedFor(): void {
    const { drainTimeoutMs } = this.connection.options;
    const inFlight = this.consumer?.facts().inFlight ?? 0;
    if (inFlight > 0)
      this.connection.logger.log(`Closing: waits up to ${drainTimeoutMs} ms for messages that are being handled: ${inFlight}`);
  }

  /** Where its streams are, without passwords. */
  private address(): string {
    const { main, feedback } = this.connection.options.streams;
    const shown = (stream: typeof main): string => (typeof stream === 'string' ? redact(stream) : stream.name);
    return feedback === undefined
      ? shown(main)
      : `${shown(main)}, answers by ${typeof feedback === 'string' ? redact(feedback) : feedback.name}`;
  }

  /** Remote methods, by their names. @throws StreambackConfigError INVALID_OPTION, INVALID_PATTERN */
  private remotes(): RemoteHandlers[] {
    const { group, connection, topicsPrefix } = this.connection.options;
    const byName = new Map<string, RemoteHandlers>();
    for (const method of this.app?.remotes(connection) ?? []) {
      const { name = group } = method.options;
      const handlers = byName.get(name) ?? new RemoteHandlers(name, topicOf(remotePattern(name), topicsPrefix));
      handlers.add(method);
      byName.set(name, handlers);
    }
    const taken = [...byName.values()].find(({ pattern }) => this.patterns.has(pattern));
    if (taken) throw new StreambackConfigError('INVALID_PATTERN', `The pattern '${taken.pattern}' is that of remote methods`);
    return [...byName.values()];
  }

  /** @throws StreambackConfigError INVALID_OPTION for batches that would never be full */
  private batchOf(pattern: string, { size, maxWaitMs, handle }: BatchHandler): BatchListener {
    const { maxInFlight, connection } = this.connection.options;
    if (size > maxInFlight) {
      throw invalidOption(
        `batch(${pattern}).size`,
        `A batch of '${pattern}' would have ${size} messages, and maxInFlight allows a process ${maxInFlight}`,
        'Raise maxInFlight, or take smaller batches.',
      );
    }
    return {
      size,
      maxWaitMs,
      handle: (batch) => this.process(batch, new StreambackBatchContext(batch, pattern, connection), (context) => handle(batch, context)),
    };
  }

  private process<Context extends BaseRpcContext>(
    run: Pick<Run, 'onOver'>,
    context: Context,
    handle: (context: Context) => unknown,
  ): unknown {
    // Nobody has set hooks, as a rule: then nothing is made for them.
    if (this.onProcessingStartHook === this.plainStartHook && !this.onProcessingEndHook) return handle(context);
    run.onOver = () => this.onProcessingEndHook?.(this.transportId, context);
    return new Promise((resolve, reject) => {
      // The hook decides when, and in which context, the rest runs.
      this.onProcessingStartHook(this.transportId, context, async () => {
        try {
          resolve(await handle(context));
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

const connectedTwice = (connection: string): StreambackConfigError =>
  invalidOption(
    'strategy',
    `The StreambackServer of the connection '${connection}' is connected twice`,
    'Connect it once: one connectMicroservice for each connection, and no createMicroservice beside it.',
  );

/** Of all patterns those that this process listens to. @throws StreambackConfigError INVALID_OPTION where one of `only` has no handler */
function chosenPatterns(all: readonly Handlers[], only: readonly string[] | undefined): readonly Handlers[] {
  if (!only) return all;
  for (const pattern of only) {
    if (all.some((handlers) => handlers.pattern === pattern)) continue;
    const known = all.map((handlers) => `'${handlers.pattern}'`).join(', ');
    throw invalidOption('listenOnly', `'listenOnly' names '${pattern}', which has no handler`, `Patterns with a handler are: ${known}.`);
  }
  return all.filter((handlers) => only.includes(handlers.pattern));
}

/** A dead-letter topic is named as a pattern is: the connection's prefix goes before it. */
function withDeadLetterTopic(options: ListenerOptions, prefix: string): ListenerOptions {
  const { deadLetterTopic } = options;
  return deadLetterTopic ? { ...options, deadLetterTopic: topicOf(deadLetterTopic, prefix) } : options;
}
