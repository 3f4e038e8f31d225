import { Inject, Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { StreambackConfigError } from './common/errors';
import { DEFAULT_CONNECTION, getStreambackClientToken, isStreambackToken } from './streamback.tokens';
import { StreambackConnection } from './transport/connection';
import { StreambackClient } from './transport/streamback.client';
import { StreambackServer } from './transport/streamback.server';

/** The connections of an app, by name, for what exists once and covers them all. */
@Injectable()
export class StreambackConnections {
  constructor(@Inject(ModulesContainer) private readonly modules: ModulesContainer) {}

  all(): StreambackConnection[] {
    return this.providers(StreambackConnection, (token) => isStreambackToken('connection', token));
  }

  byName(): ReadonlyMap<string, StreambackConnection> {
    return new Map(this.all().map((connection) => [connection.options.connection, connection]));
  }

  /** @throws StreambackConfigError UNKNOWN_CONNECTION */
  get(name = DEFAULT_CONNECTION): StreambackConnection {
    const connection = this.byName().get(name);
    if (connection) return connection;
    throw new StreambackConfigError('UNKNOWN_CONNECTION', `No module registers the connection '${name}'`);
  }

  servers(): StreambackServer[] {
    return this.providers(StreambackServer, (token) => isStreambackToken('server', token));
  }

  /** The client of a connection that there is. */
  client({ options }: StreambackConnection): StreambackClient {
    return this.providers(StreambackClient, (token) => token === getStreambackClientToken(options.connection))[0]!;
  }

  private providers<Made>(type: abstract new (...args: never[]) => Made, has: (token: unknown) => boolean): Made[] {
    const providers = [...this.modules.values()].flatMap((module) => [...module.providers]);
    return providers.flatMap(([token, { instance }]) => (has(token) && (instance as unknown) instanceof type ? [instance as Made] : []));
  }
}
