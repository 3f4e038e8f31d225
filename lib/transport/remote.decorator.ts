import type { StreambackListenerOptions } from '../consumer/listener';

/** What a remote method is found under, and how it takes its calls. */
export interface StreambackRemoteOptions extends StreambackListenerOptions {
  /** What clients know it by: `client.remote(name)`. The methods of one name are one listener, and belong into one process. @default the group */
  readonly name?: string | undefined;
  /** The connection's name. @default 'default' */
  readonly connection?: string | undefined;
}

const REMOTE = Symbol.for('nestjs-streamback:remote');
/** Nest's form of what each parameter is, under a key of our own. */
export const REMOTE_PARAMETERS = 'nestjs-streamback:remote-parameters';

// Nest's own metadata keys and numbers of kinds of parameters, which its packages do not export.
const ROUTE_ARGS_METADATA = '__routeArguments__';
const PARAMTYPES_METADATA = 'design:paramtypes';
const RPC_PAYLOAD = 3;
const RPC_CONTEXT = 6;
/** Nest's pipes take it for a body. */
export const ARGUMENT = 3;
/** Nest's pipes take it for a custom parameter, which they leave alone. */
const CONTEXT = 0;

interface Parameter {
  readonly index: number;
  readonly data: unknown;
  readonly pipes: readonly unknown[];
}
type Parameters = Readonly<Record<string, Parameter>>;

/**
 * Lets clients call a provider's method by `client.remote<Service>(name)`: its arguments and what it gives are data, as JSON has it. `@Ctx()`
 * gives a last parameter the `StreambackContext`; guards, pipes and interceptors are Nest's.
 * @throws StreambackConfigError INVALID_OPTION, INVALID_PATTERN, UNKNOWN_CONNECTION at start
 */
export function Remote(options: StreambackRemoteOptions = {}): MethodDecorator {
  return (target, name, descriptor) => {
    Reflect.defineMetadata(REMOTE, options, descriptor.value as object);
    Reflect.defineMetadata(
      REMOTE_PARAMETERS,
      parametersOf(target, name, descriptor.value as (...args: unknown[]) => unknown),
      target.constructor,
      name,
    );
  };
}

/** What `@Remote` says of a method; nothing of others, nor of what an instance has put in a method's place. */
export const remoteOptionsOf = (method: unknown): StreambackRemoteOptions | undefined =>
  typeof method === 'function' ? (Reflect.getMetadata(REMOTE, method) as StreambackRemoteOptions | undefined) : undefined;

function parametersOf(target: object, name: string | symbol, method: (...args: unknown[]) => unknown): Parameters {
  const types = Reflect.getMetadata(PARAMTYPES_METADATA, target, name) as readonly unknown[] | undefined;
  const decorated = (Reflect.getMetadata(ROUTE_ARGS_METADATA, target.constructor, name) ?? {}) as Parameters;
  const parameters = Array.from({ length: types?.length ?? method.length }, (_, index): [string, Parameter] => {
    if (decorated[`${RPC_CONTEXT}:${index}`]) return [`${CONTEXT}:${index}`, { index, data: undefined, pipes: [] }];
    return [`${ARGUMENT}:${index}`, { index, data: index, pipes: decorated[`${RPC_PAYLOAD}:${index}`]?.pipes ?? [] }];
  });
  return Object.fromEntries(parameters);
}
