import { catchError, type Observable, throwError } from 'rxjs';
import { StreambackConnectionError, StreambackLaneError } from '../common/errors';
import type { RemoteCall } from './remote-handlers';
import type { StreambackContext } from './streamback.context';

/** What a method's result is to its caller: each of its answers. */
export type RemoteAnswer<Result> =
  Result extends Promise<infer Value>
    ? RemoteAnswer<Value>
    : Result extends Observable<infer Value>
      ? Value
      : Result extends string | readonly unknown[] | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | ArrayBufferView
        ? Result
        : Result extends AsyncIterable<infer Value> | Iterable<infer Value>
          ? Value
          : Result;

/** A method's arguments, without the context that its own process gives it. */
export type RemoteArguments<Arguments extends readonly unknown[]> = Arguments extends [...infer Given, infer Last]
  ? // An `any` would pass for a context, and is an argument.
    [unknown] extends [Last]
    ? Arguments
    : [Last] extends [StreambackContext]
      ? Given
      : Arguments
  : Arguments;

/** The `@Remote` methods of a service, each a cold Observable of its answers. Those that are not remote err NO_LISTENER. */
export type StreambackRemote<Service> = {
  readonly [Name in keyof Service as Service[Name] extends (...args: never[]) => unknown ? Name : never]: Service[Name] extends (
    ...args: infer Arguments
  ) => infer Result
    ? (...args: RemoteArguments<Arguments>) => Observable<RemoteAnswer<Result>>
    : never;
};

/** Names that others ask any object for: a promise, or `JSON.stringify`. */
const NOT_METHODS: ReadonlySet<string> = new Set(['then', 'toJSON']);

/**
 * An object whose methods are calls.
 * @param send sends one, cold
 */
export function remoteProxy<Service extends object>(
  name: string,
  send: (call: RemoteCall) => Observable<unknown>,
): StreambackRemote<Service> {
  return new Proxy(Object.freeze(Object.create(null) as object), {
    get: (_target, method) => {
      if (typeof method !== 'string' || NOT_METHODS.has(method)) return undefined;
      return (...args: unknown[]) => send({ method, args }).pipe(catchError((error: unknown) => throwError(() => asRemote(name, error))));
    },
  }) as StreambackRemote<Service>;
}

/** Where no service has ever listened to the name, nobody has its methods. */
function asRemote(name: string, error: unknown): unknown {
  if (error instanceof StreambackLaneError && error.code === 'NO_LISTENER') {
    const remedy = `Check the name of the method: '${name}' needs a provider with @Remote on it, and its processes to run that code.`;
    return new StreambackLaneError('NO_LISTENER', error.message, { cause: error.cause, remedy });
  }
  if (!(error instanceof StreambackConnectionError) || error.code !== 'UNKNOWN_TOPIC') return error;
  const remedy = `Check the name: '${name}' must be the group of a service, or what its @Remote({ name }) says; and start that service.`;
  return new StreambackLaneError('NO_LISTENER', `No service has remote methods of '${name}'`, { cause: error, remedy });
}
