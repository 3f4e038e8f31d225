import {
  Inject,
  Module,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { StreambackOptions, StreambackOptionsFactory } from './streamback.options';
import {
  DEFAULT_CONNECTION,
  getStreambackClientToken,
  getStreambackConnectionToken,
  getStreambackServerToken,
} from './streamback.tokens';
import { StreambackConnection } from './transport/connection';
import { prepareHandlers } from './transport/handler.explorer';
import { StreambackClient } from './transport/streamback.client';
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

/** Registers a connection: its `StreambackServer`, and its `StreambackClient` for `@InjectStreamback()`. */
@Module({})
export class StreambackModule {
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    prepareHandlers(modules);
    // Nest shuts modules down from the nearest to the root on: nearer than any, so that handlers are drained while what they use lives.
    for (const module of modules.values()) if (module.metatype === StreambackModule) module.distance = -1;
  }

  /** @throws StreambackConfigError at start, for a wrong option */
  static forRoot({ isGlobal = false, ...options }: StreambackModuleOptions): DynamicModule {
    const { connection = DEFAULT_CONNECTION } = options;
    return dynamicModule(connection, isGlobal, [
      { provide: getStreambackConnectionToken(connection), useFactory: () => new StreambackConnection(options) },
    ]);
  }

  /** The same with options that come from elsewhere: a factory, or a class with `createStreambackOptions()`. */
  static forRootAsync(async: StreambackModuleAsyncOptions): DynamicModule {
    const { connection = DEFAULT_CONNECTION, isGlobal = false, imports = [], inject = [], useFactory, useClass, useExisting, extraProviders = [] } = async;
    const provide = getStreambackConnectionToken(connection);
    const connect = async (options: StreambackOptions | Promise<StreambackOptions>): Promise<StreambackConnection> =>
      new StreambackConnection({ ...(await options), connection });
    const factory = useClass ?? useExisting;
    const provider: Provider = useFactory
      ? { provide, inject, useFactory: (...args: unknown[]) => connect(useFactory(...args) as StreambackOptions) }
      : { provide, inject: factory ? [factory] : [], useFactory: (made?: StreambackOptionsFactory) => connect(made!.createStreambackOptions()) };
    const module = dynamicModule(connection, isGlobal, [...extraProviders, ...(useClass ? [useClass] : []), provider]);
    return { ...module, imports };
  }
}

/** Drains handlers before anything they use is destroyed, and closes the client after everything that may use it. */
class ConnectionLifecycle implements OnModuleDestroy, OnApplicationShutdown {
  constructor(
    private readonly server: StreambackServer,
    private readonly client: StreambackClient,
  ) {}

  onModuleDestroy(): Promise<void> {
    return this.server.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.server.close();
    await this.client.close();
  }
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
      { provide: server, inject: [shared], useFactory: (made: StreambackConnection) => new StreambackServer(made) },
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
