import { Global, Inject, Injectable, Logger, Module } from '@nestjs/common';
import { invalidOption } from './common/option-rules';
import type { DeadLetter } from './consumer/dead-letter';
import { Lifecycle, type HookOwner } from './lifecycle/lifecycle';
import { StreambackConnections } from './streamback.connections';
import { AppLifecycle } from './transport/app-lifecycle';
import { LifecycleExplorer, lifecyclePath, type FoundLifecycle } from './transport/lifecycle.explorer';
import type { StreambackContext } from './transport/streamback.context';

/** Finds the lifecycle providers of the app, once, and holds them to the connections and patterns that there are. */
@Injectable()
export class StreambackLifecycles {
  private found?: readonly FoundLifecycle[];
  private made?: AppLifecycle;

  constructor(
    @Inject(StreambackConnections) private readonly connections: StreambackConnections,
    @Inject(LifecycleExplorer) private readonly explorer: LifecycleExplorer,
  ) {}

  /** Also for an app that only sends. @throws StreambackConfigError INVALID_OPTION */
  check(): void {
    this.explore();
  }

  /** For servers, which know their patterns when they start. */
  lifecycle(): AppLifecycle {
    this.made ??= new AppLifecycle(new Lifecycle(this.explore().map((each) => this.ownerOf(each)), new Logger('Streamback:lifecycle'))); // prettier-ignore
    return this.made;
  }

  private explore(): readonly FoundLifecycle[] {
    if (this.found) return this.found;
    const found = this.explorer.explore();
    const known = [...this.connections.byName().keys()];
    for (const { name, options } of found) {
      if (options.connection === undefined || known.includes(options.connection)) continue;
      throw invalidOption(
        `${lifecyclePath(name)}.connection`,
        `'${name}' is for the connection '${options.connection}', which no module registers`,
        `Known are: ${known.join(', ')}.`,
      );
    }
    return (this.found = found);
  }

  private ownerOf({ name, hooks, options: { connection, patterns } }: FoundLifecycle): HookOwner<StreambackContext, DeadLetter> {
    const servers = this.connections.servers();
    const own = connection === undefined ? servers : servers.filter((server) => server.connectionName === connection);
    for (const pattern of patterns ?? []) {
      if (own.some((server) => server.handles(pattern))) continue;
      const shown = typeof pattern === 'string' ? pattern : JSON.stringify(pattern);
      throw invalidOption(
        `${lifecyclePath(name)}.patterns`,
        `'${name}' is for the pattern '${shown}', which has no handler${connection === undefined ? '' : ` on the connection '${connection}'`}`,
        'Write it as @MessagePattern or @EventPattern of a controller of this app has it, or leave it out.',
      );
    }
    return { name, hooks, connection, patterns: patterns && new Set(patterns.map((pattern) => servers[0]!.routeOf(pattern))) };
  }
}

@Global()
@Module({ providers: [LifecycleExplorer, StreambackLifecycles], exports: [StreambackLifecycles] })
export class StreambackLifecycleModule {}
