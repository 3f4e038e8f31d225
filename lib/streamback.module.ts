import {
  Global,
  Inject,
  Module,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type Provider,
  type Type,
} from '@nestjs/common';
import { DiscoveryModule, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import type { StreambackConfigError } from './common/errors';
import { aBoolean, aClass, aFunction, aName, anything, checkOptions, invalidOption, type OptionRules } from './common/option-rules';
import { StreambackHealth } from './health/streamback.health';
import { StreambackConnections } from './streamback.connections';
import { StreambackLifecycleModule, StreambackLifecycles } from './streamback.lifecycle';
import type { StreambackOptions, StreambackOptionsFactory } from './streamback.options';
import { StreambackSchedules, StreambackSchedulesModule } from './streamback.schedules';
import { StartCheck } from './streamback.start-check';
import {
  DEFAULT_CONNECTION,
  getStreambackClientToken,
  getStreambackConnectionToken,
  getStreambackServerToken,
  isStreambackToken,
} from './streamback.tokens';
import { StreambackConnection } from './transport/connection';
import { prepareHandlers } from './transport/handler.explorer';
import { RemoteExplorer } from './transport/remote.explorer';
import { noteRefusals } from './transport/refusals';
import { noteTakenHandlers } from './transport/taken-handlers';
import { StreambackClient } from './transport/streamback.client';
import { StreambackDeadLetters } from './transport/streamback.dead-letters';
import { StreambackServer } from './transport/streamback.server';

export interface StreambackModuleOptions extends StreambackOptions {
  /** Whether the client and the server can be injected everywhere. @default false */
  readonly isGlobal?: boolean;
}

export interface StreambackModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** The connection's name; it stands here because tokens are known before the factory runs. @default 'default' */
  readonly connection?: string;
  /** Whether the client and the server can be injected everywhere. @default false */
  readonly isGlobal?: boolean;
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory?: (...args: any[]) => Omit<StreambackOptions, 'connection'> | Promise<Omit<StreambackOptions, 'connection'>>;
  readonly useClass?: Type<StreambackOptionsFactory>;
  readonly useExisting?: Type<StreambackOptionsFactory> | string | symbol;
  readonly extraProviders?: Provider[];
}

/**
 * Started after, and shut down before any other module: methods are called and handlers are drained while what they use lives. Schedules end
 * first, so that nothing new comes of them.
 */
@Module({ imports: [StreambackSchedulesModule, StreambackLifecycleModule] })
class StreambackDrainModule implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly startCheck: StartCheck;

  constructor(
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Inject(StreambackConnections) private readonly connections: StreambackConnections,
    @Inject(StreambackSchedules) private readonly schedules: StreambackSchedules,
    @Inject(StreambackLifecycles) private readonly lifecycles: StreambackLifecycles,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
  ) {
    this.startCheck = new StartCheck(modules, connections);
    setShutdownOrder(modules, StreambackDrainModule, -1);
  }

  onApplicationBootstrap(): void {
    this.lifecycles.check();
    this.schedules.start();
    // Without HTTP it is a script that uses the app's modules, or a server of one transport, which was chosen.
    if (this.http.httpAdapter as unknown) this.startCheck.begin();
  }

  async onModuleDestroy(): Promise<void> {
    const startedAt = performance.now();
    this.startCheck.end();
    await this.schedules.end();
    await Promise.all(this.connections.servers().map((server) => server.drain()));
    for (const connection of this.connections.all()) {
      connection.endRequests(Math.max(0, connection.options.drainTimeoutMs - (performance.now() - startedAt)));
    }
  }
}

/** What exists once and covers every connection; found wherever it is injected. */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    StreambackConnections,
    RemoteExplorer,
    {
      provide: StreambackDeadLetters,
      inject: [StreambackConnections],
      useFactory: (connections: StreambackConnections) => new StreambackDeadLetters(connections),
    },
    {
      provide: StreambackHealth,
      inject: [StreambackConnections],
      useFactory: (connections: StreambackConnections) => new StreambackHealth(() => connections.byName()),
    },
  ],
  exports: [StreambackConnections, RemoteExplorer, StreambackDeadLetters, StreambackHealth],
})
class StreambackSharedModule {}

/** Registers a connection: its `StreambackServer`, and its `StreambackClient` for `@InjectStreamback()`. Shut down after all others. */
@Module({ imports: [StreambackDrainModule, StreambackSharedModule, StreambackSchedulesModule, StreambackLifecycleModule] })
export class StreambackModule {
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    refuseTwins(modules);
    prepareHandlers(modules);
    noteRefusals();
    noteTakenHandlers();
    setShutdownOrder(modules, StreambackModule, Number.MAX_SAFE_INTEGER);
  }

  /** @throws StreambackConfigError at start, for a wrong option */
  static forRoot(given: StreambackModuleOptions): DynamicModule {
    const { isGlobal = false, ...options } = asOptions(given, 'forRoot was given');
    checkOptions<Pick<StreambackModuleOptions, 'isGlobal'>>({ isGlobal }, { isGlobal: aBoolean });
    const { connection = DEFAULT_CONNECTION } = options;
    return dynamicModule(connection, isGlobal, [
      { provide: getStreambackConnectionToken(connection), useFactory: () => new StreambackConnection(options) },
    ]);
  }

  /**
   * The same with options that come from elsewhere: a factory, or a class with `createStreambackOptions()`.
   * @throws StreambackConfigError INVALID_OPTION for an unknown key, or no source of options
   */
  static forRootAsync(async: StreambackModuleAsyncOptions): DynamicModule {
    checkOptions<StreambackModuleAsyncOptions>(asOptions(async, 'forRootAsync was given'), ASYNC_RULES);
    const {
      connection = DEFAULT_CONNECTION,
      isGlobal = false,
      imports = [],
      inject = [],
      useFactory,
      useClass,
      useExisting,
      extraProviders = [],
    } = async;
    if (!useFactory && !useClass && !useExisting) {
      throw invalidOption('', 'forRootAsync needs a source of options', 'Give it useFactory, useClass or useExisting.');
    }
    const provide = getStreambackConnectionToken(connection);
    const connect = async (options: StreambackOptions | Promise<StreambackOptions>): Promise<StreambackConnection> => {
      const made = asOptions(await options, 'The factory of the options gave');
      if (made.connection !== undefined && made.connection !== connection) throw misplacedName(made.connection, connection);
      return new StreambackConnection({ ...made, connection });
    };
    const factory = useClass ?? useExisting;
    const provider: Provider = useFactory
      ? { provide, inject, useFactory: (...args: unknown[]) => connect(useFactory(...args) as StreambackOptions) }
      : {
          provide,
          inject: factory ? [factory] : [],
          useFactory: (made?: StreambackOptionsFactory) => connect(made!.createStreambackOptions()),
        };
    const module = dynamicModule(connection, isGlobal, [...extraProviders, ...(useClass ? [useClass] : []), provider]);
    return { ...module, imports };
  }
}

/** What is Nest's is checked by Nest. */
const ASYNC_RULES: OptionRules<StreambackModuleAsyncOptions> = {
  connection: aName,
  isGlobal: aBoolean,
  imports: anything,
  inject: anything,
  useFactory: aFunction,
  useClass: aClass,
  useExisting: anything,
  extraProviders: anything,
};

/** @throws StreambackConfigError INVALID_OPTION */
function asOptions<Options extends object>(given: Options, whence: string): Options {
  if (typeof given === 'object' && given !== null) return given;
  throw invalidOption('', `${whence} ${String(given)}, not options`, "Give an object: { group: 'reports' }.");
}

/** A factory's name comes too late: tokens are made of the one beside it. */
const misplacedName = (given: string, connection: string): StreambackConfigError =>
  invalidOption(
    'connection',
    `The factory of the options names the connection '${given}', which is registered as '${connection}'`,
    "Name it beside the factory: forRootAsync({ connection: 'audit', useFactory }).",
  );

/** Two connections of one name: who injects it would get either. @throws StreambackConfigError INVALID_OPTION */
function refuseTwins(modules: ModulesContainer): void {
  const seen = new Set<unknown>();
  for (const { providers } of modules.values()) {
    for (const token of providers.keys()) {
      if (!isStreambackToken('connection', token)) continue;
      if (seen.has(token)) {
        const name = (token as symbol).description!.split(':').slice(2).join(':');
        throw invalidOption(
          'connection',
          `The connection '${name}' is registered twice`,
          "Call forRoot once and import what it gave, or use isGlobal: true; or give the other a name: { connection: 'audit' }.",
        );
      }
      seen.add(token);
    }
  }
}

/** Closes the server and the client of a connection. */
class ConnectionLifecycle implements OnApplicationShutdown {
  constructor(
    private readonly server: StreambackServer,
    private readonly client: StreambackClient,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.server.close();
    await this.client.close();
  }
}

/** Nest calls the hooks of shutdown module by module, from the smallest distance to the greatest. */
function setShutdownOrder(modules: ModulesContainer, metatype: Type, distance: number): void {
  for (const module of modules.values()) if (module.metatype === metatype) module.distance = distance;
}

function dynamicModule(connection: string, isGlobal: boolean, providers: Provider[]): DynamicModule {
  const shared = getStreambackConnectionToken(connection);
  const server = getStreambackServerToken(connection);
  const client = getStreambackClientToken(connection);
  const classes: Provider[] =
    connection === DEFAULT_CONNECTION
      ? [
          { provide: StreambackServer, useExisting: server },
          { provide: StreambackClient, useExisting: client },
        ]
      : [];
  return {
    module: StreambackModule,
    global: isGlobal,
    providers: [
      ...providers,
      {
        provide: server,
        inject: [shared, StreambackLifecycles, RemoteExplorer],
        useFactory: (made: StreambackConnection, lifecycles: StreambackLifecycles, remotes: RemoteExplorer) =>
          new StreambackServer(made, { lifecycle: () => lifecycles.lifecycle(), remotes: () => remotes.explore(connection) }),
      },
      { provide: client, inject: [shared], useFactory: (made: StreambackConnection) => new StreambackClient(made) },
      {
        provide: ConnectionLifecycle,
        inject: [server, client],
        useFactory: (one: StreambackServer, other: StreambackClient) => new ConnectionLifecycle(one, other),
      },
      ...classes,
    ],
    exports: [server, client, ...classes.map((provider) => (provider as { provide: Type }).provide)],
  };
}
