import { createHash } from 'node:crypto';
import { isObservable, type Observable } from 'rxjs';
import { catchError } from 'rxjs/operators';
import { loadPackage } from '../common/optional-package';
import { isThenable } from '../common/thenable';
import { StreambackContext } from './streamback.context';

type Handler = (...args: unknown[]) => unknown;

/** What Nest's creator is given: the handler, and where it is declared. Of a handler in request scope also who asks, for each of its messages. */
type Declared = readonly [
  instance: object,
  method: Handler,
  module: string,
  name: string,
  contextId?: unknown,
  inquirerId?: string,
  defaults?: object,
  reportsErrors?: boolean,
];

interface EnhancersOf<Enhancers> {
  create(...declared: unknown[]): Enhancers;
}

/** A parameter of a handler. Its type is a number, unless a decorator of somebody's own makes its value. */
interface Param {
  readonly index: number;
  readonly type: unknown;
  readonly pipes: readonly unknown[];
  extractValue(...args: unknown[]): unknown;
}

/** What Nest makes each handler's way of: its pipes, guards, interceptors and exception filters around the method. */
interface RpcContextCreator {
  readonly pipesContextCreator: EnhancersOf<readonly unknown[]>;
  readonly guardsContextCreator: EnhancersOf<readonly unknown[]>;
  readonly interceptorsContextCreator: EnhancersOf<readonly unknown[]>;
  readonly exceptionFiltersContext: EnhancersOf<unknown>;
  readonly applicationConfig?: { getGlobalPreRequestHooks?(): readonly unknown[] };
  readonly contextUtils: { createNullArray(length: number): unknown[] };
  readonly interceptorsConsumer: { readonly intercept: unknown };
  readonly rpcProxy: { handleError(filters: unknown, args: unknown[], error: unknown, reportsErrors?: boolean): Observable<unknown> };
  create(...declared: Declared): Handler;
  getMetadata(
    instance: object,
    name: string,
    defaults: object | undefined,
    type: 'rpc',
  ): { readonly argsLength: number; getParamsMetadata(module: string): readonly Param[] };
}

type Class<Instance = unknown> = (abstract new (...args: never[]) => Instance) & { readonly prototype: Instance };

/** What the package exports includes its files. */
const CREATOR = '@nestjs/microservices/context/rpc-context-creator.js';

/**
 * What was read of Nest's own way, by fingerprints of its sources: another one may have a further stop, which must not be passed by. There
 * handlers are called in Nest's own way.
 */
const KNOWN: ReadonlySet<string> = new Set([
  // RpcContextCreator of @nestjs/microservices 11.0.0 to 11.2.6, of 12.0.1, and of 12.0.2 to 12.1.1
  'a9f8fffb65779d4d',
  '54e377859814310d',
  '7ef5ca5ad1d6d4e6',
  // RpcProxy of the same
  '585726980afbc12c',
  'dd7e7ae9698f8e42',
  '1ed831ac104c6885',
  // InterceptorsConsumer.intercept of @nestjs/core 11.0.0 to 11.2.10, of 12.0.0 to 12.1.3, and of 12.2.0 to 12.5.1
  '8af201959eb1e704',
  '17c9483aad4d8726',
  '09a1af216a69036e',
]);

/** Creators by whether what they call is as it was read. */
const asRead = new WeakMap<RpcContextCreator, boolean>();

/**
 * Has Nest call a handler that has no guards, pipes or interceptors, be they global ones, directly: Nest's own way to it makes a dozen
 * promises a message, and comes to the same. Exception filters are asked in any case. The messages of other transports go Nest's own way.
 * It must be called before Nest registers handlers. Does nothing where Nest's own way is not known, or was changed by somebody.
 */
export function callDirectly(): void {
  const creator = creatorClass();
  if (!creator || !isAsRead(creator)) return;
  const own = creator.prototype.create;
  creator.prototype.create = function (this: RpcContextCreator, ...declared) {
    const handler = own.apply(this, declared);
    const direct = directWay(this, declared);
    if (!direct) return handler;
    return (...args: unknown[]) => (args[1] instanceof StreambackContext ? direct(args[0], args[1]) : handler(...args));
  };
}

function creatorClass(): Class<RpcContextCreator> | undefined {
  try {
    return loadPackage<{ RpcContextCreator: Class<RpcContextCreator> }>(CREATOR, 'Handlers').RpcContextCreator;
  } catch {
    return undefined;
  }
}

/** Whether it was read what a source does. Internal. */
export const isKnown = (source: string): boolean => KNOWN.has(createHash('sha256').update(source).digest('hex').slice(0, 16));

/** Whether a class is known, and has the methods that it was declared with. */
function isAsRead(type: Class<object>): boolean {
  const source = String(type);
  const methods = Object.values(Object.getOwnPropertyDescriptors(type.prototype));
  return methods.every(({ value }) => source.includes(String(value))) && isKnown(source);
}

/** Looked at when the first handler is registered: until then anybody may put something in the place of what Nest has. */
function callsWhatWasRead(creator: RpcContextCreator): boolean {
  const { rpcProxy, interceptorsConsumer } = creator;
  const is = asRead.get(creator) ?? (isAsRead(rpcProxy.constructor as Class<object>) && isKnown(String(interceptorsConsumer.intercept)));
  asRead.set(creator, is);
  return is;
}

/** Nothing for a handler that has something on its way, or that is made anew for each message. */
function directWay(creator: RpcContextCreator, declared: Declared): Handler | undefined {
  const [instance, method, module, name, contextId, inquirerId, defaults, reportsErrors] = declared;
  if (inquirerId !== undefined || !callsWhatWasRead(creator)) return undefined;
  const { pipesContextCreator, guardsContextCreator, interceptorsContextCreator, exceptionFiltersContext, applicationConfig } = creator;
  const of = <Enhancers>(each: EnhancersOf<Enhancers>): Enhancers => each.create(instance, method, module, contextId, inquirerId);
  const enhancers = [pipesContextCreator, guardsContextCreator, interceptorsContextCreator].flatMap(of);
  const hooks = applicationConfig?.getGlobalPreRequestHooks?.() ?? [];
  const { argsLength, getParamsMetadata } = creator.getMetadata(instance, name, defaults, 'rpc');
  const params = getParamsMetadata(module);
  const isPlain = ({ type, pipes }: Param): boolean => typeof type === 'number' && pipes.length === 0;
  if (enhancers.length > 0 || hooks.length > 0 || !params.every(isPlain)) return undefined;

  const filters = of(exceptionFiltersContext);
  const argsOf = (data: unknown, context: unknown): unknown[] => {
    if (params.length === 0) return [data, context];
    const args = creator.contextUtils.createNullArray(argsLength);
    for (const param of params) args[param.index] = param.extractValue(data, context);
    return args;
  };
  return (data, context) => {
    const failed = (error: unknown): Observable<unknown> => creator.rpcProxy.handleError(filters, [data, context], error, reportsErrors);
    const filtered = (result: unknown): unknown => (isObservable(result) ? result.pipe(catchError(failed)) : result);
    try {
      const result = method.apply(instance, argsOf(data, context));
      return isThenable(result) ? Promise.resolve(result).then(filtered, failed) : filtered(result);
    } catch (error) {
      return failed(error);
    }
  };
}
