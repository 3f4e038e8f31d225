import { Inject } from '@nestjs/common';

export const DEFAULT_CONNECTION = 'default';

const token = (what: 'client' | 'server' | 'connection' | 'transport', connection: string): symbol =>
  Symbol.for(`nestjs-streamback:${what}:${connection}`);

/** Injection token of a connection's `StreambackClient`; the default connection's is also the class. */
export const getStreambackClientToken = (connection = DEFAULT_CONNECTION): symbol => token('client', connection);

/** Injection token of a connection's `StreambackServer`; the default connection's is also the class. */
export const getStreambackServerToken = (connection = DEFAULT_CONNECTION): symbol => token('server', connection);

/** Injection token of what a connection's client and server share. Internal. */
export const getStreambackConnectionToken = (connection = DEFAULT_CONNECTION): symbol => token('connection', connection);

/**
 * The transport id of a connection's server, for `@MessagePattern(pattern, getStreambackTransportId('audit'))`: the handler belongs
 * to that connection alone.
 */
export const getStreambackTransportId = (connection = DEFAULT_CONNECTION): symbol => token('transport', connection);

/** The connection that a handler's transport id names, if it is one of this package. Internal. */
export function connectionOfTransport(transport: unknown): { readonly name: string; readonly token: symbol } | undefined {
  const prefix = 'nestjs-streamback:transport:';
  const key = typeof transport === 'symbol' ? Symbol.keyFor(transport) : undefined;
  if (!key?.startsWith(prefix)) return undefined;
  const name = key.slice(prefix.length);
  return { name, token: getStreambackConnectionToken(name) };
}

/** Whether a provider's token is that of a connection, or of a server. Internal. */
export const isStreambackToken = (what: 'connection' | 'server', provider: unknown): boolean =>
  typeof provider === 'symbol' && (Symbol.keyFor(provider) ?? '').startsWith(`nestjs-streamback:${what}:`);

/**
 * Injects a connection's `StreambackClient`, which is a Nest `ClientProxy`.
 * @param connection @default 'default'
 */
export const InjectStreamback = (connection = DEFAULT_CONNECTION): ParameterDecorator & PropertyDecorator =>
  Inject(getStreambackClientToken(connection));
