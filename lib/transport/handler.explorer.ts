import type { ModulesContainer } from '@nestjs/core';
import { isObservable } from 'rxjs';
import { tap } from 'rxjs/operators';
import { StreambackConfigError } from '../common/errors';
import { fromSource, isSource } from '../consumer/answers';
import { currentCall, type CallContext } from '../context/call-context';
import { connectionOfTransport, DEFAULT_CONNECTION, getStreambackConnectionToken, isStreambackToken } from '../streamback.tokens';
import { remoteOptionsOf } from './remote.decorator';

// Nest's own metadata keys, which its packages do not export.
const HANDLER_TYPE_METADATA = 'microservices:handler_type';
export const EXTRAS_METADATA = 'microservices:pattern_extras';
export const TRANSPORT_METADATA = 'microservices:transport';

/** In a handler's extras: it named no transport, so it belongs to the default connection alone. */
export const WITHOUT_TRANSPORT = Symbol.for('nestjs-streamback:without-transport');

const wrapped = new WeakSet<object>();

export type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Wraps the pattern methods of all controllers, in place, before Nest reads them. A generator or an iterable becomes an Observable
 * there, so that interceptors and exception filters see each of its values, and what is thrown is noted before a filter makes something
 * else of it. Outside a message of this package a wrapped method is as it was. It must be done before Nest registers handlers: in a
 * module's constructor, that is.
 * @throws StreambackConfigError UNKNOWN_CONNECTION for a handler, or a remote method, on a connection that no module registers
 */
export function prepareHandlers(modules: ModulesContainer): void {
  const moduleRefs = [...modules.values()];
  const connections = new Set(
    moduleRefs.flatMap((module) => [...module.providers.keys()].filter((token) => isStreambackToken('connection', token))),
  );
  for (const module of moduleRefs) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype === 'function') for (const method of patternMethods(metatype.prototype as object)) prepare(method, connections);
    }
    for (const { metatype } of module.providers.values()) {
      const prototype: unknown = metatype?.prototype;
      if (typeof prototype === 'object' && prototype !== null)
        for (const remote of remoteMethods(prototype)) checkRemote(remote, connections);
    }
  }
}

interface PatternMethod {
  readonly owner: object;
  readonly name: string;
  readonly method: Method;
}

export const patternMethods = (prototype: object): Generator<PatternMethod> =>
  methodsOf(prototype, (method) => Reflect.hasMetadata(HANDLER_TYPE_METADATA, method));

const remoteMethods = (prototype: object): Generator<PatternMethod> =>
  methodsOf(prototype, (method) => remoteOptionsOf(method) !== undefined);

function* methodsOf(prototype: object, isMeant: (method: object) => boolean): Generator<PatternMethod> {
  for (let owner: object | null = prototype; owner && owner !== Object.prototype; owner = Object.getPrototypeOf(owner) as object | null) {
    for (const name of Object.getOwnPropertyNames(owner)) {
      const method: unknown = Object.getOwnPropertyDescriptor(owner, name)?.value;
      if (typeof method === 'function' && isMeant(method)) yield { owner, name, method: method as Method };
    }
  }
}

function checkRemote({ name, method }: PatternMethod, connections: ReadonlySet<unknown>): void {
  const { connection } = remoteOptionsOf(method)!;
  if (connections.has(getStreambackConnectionToken(connection))) return;
  throw new StreambackConfigError(
    'UNKNOWN_CONNECTION',
    `The remote method '${name}' belongs to the connection '${connection ?? DEFAULT_CONNECTION}', which no module registers`,
  );
}

function prepare({ owner, name, method }: PatternMethod, connections: ReadonlySet<unknown>): void {
  const transport: unknown = Reflect.getMetadata(TRANSPORT_METADATA, method);
  const connection = connectionOfTransport(transport);
  if (connection !== undefined && !connections.has(connection.token)) {
    throw new StreambackConfigError(
      'UNKNOWN_CONNECTION',
      `The handler '${name}' belongs to the connection '${connection.name}', which no module registers`,
    );
  }
  if (wrapped.has(method)) return;
  const answering = noting(method);
  wrapped.add(answering);
  const extras = { ...(Reflect.getMetadata(EXTRAS_METADATA, method) as object | undefined), [WITHOUT_TRANSPORT]: transport === undefined };
  Reflect.defineMetadata(EXTRAS_METADATA, extras, answering);
  Object.defineProperty(owner, name, { ...Object.getOwnPropertyDescriptor(owner, name), value: answering });
}

/** A method that turns what it gives into answers and notes what it throws, within a message; with the metadata of the one it calls. */
export function noting(method: Method): Method {
  const answering: Method = function (...args) {
    const call = currentCall();
    return call ? callNoting(call, method, this, args) : method.apply(this, args);
  };
  for (const key of Reflect.getMetadataKeys(method)) Reflect.defineMetadata(key, Reflect.getMetadata(key, method), answering);
  // Nest looks parameter types up by the function's name.
  Object.defineProperty(answering, 'name', { value: method.name });
  return answering;
}

function callNoting(call: CallContext, method: Method, self: unknown, args: unknown[]): unknown {
  try {
    const result = method.apply(self, args);
    if (!(result instanceof Promise)) return answersOf(result, call, method);
    return result.then(
      (value) => answersOf(value, call, method),
      (error: unknown) => {
        call.noteFailure(error, method);
        throw error;
      },
    );
  } catch (error) {
    call.noteFailure(error, method);
    throw error;
  }
}

function answersOf(value: unknown, call: CallContext, method: Method): unknown {
  const answers = isSource(value) ? fromSource(value, call) : value;
  if (isObservable(answers)) {
    return answers.pipe(tap({ error: (error: unknown) => call.noteFailure(error, method), complete: () => call.noteSuccess(method) }));
  }
  call.noteSuccess(method);
  return answers;
}
