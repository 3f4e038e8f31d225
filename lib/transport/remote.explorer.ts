import { ForbiddenException, Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, ExternalContextCreator, MetadataScanner } from '@nestjs/core';
import { RpcException } from '@nestjs/microservices';
import { checkOptions, invalidOption } from '../common/option-rules';
import { REMOTE_RULES } from '../streamback.option-rules';
import { DEFAULT_CONNECTION } from '../streamback.tokens';
import { isAnswer } from './error-value';
import { noting, type Method } from './handler.explorer';
import { ARGUMENT, REMOTE_PARAMETERS, remoteOptionsOf, type StreambackRemoteOptions } from './remote.decorator';
import type { StreambackContext } from './streamback.context';

/** A method that can be called from other processes. */
export interface RemoteMethod {
  readonly method: string;
  readonly options: StreambackRemoteOptions;
  /** Calls it, through its guards, pipes, interceptors and filters. */
  call(args: readonly unknown[], context: StreambackContext): unknown;
}

/** What Nest says where a guard gives `false`. */
const FORBIDDEN = 'Forbidden resource';

/** What Nest's enhancers see: data and context, as of any handler. */
const PARAMETERS = {
  exchangeKeyForValue: (kind: number, index: number, [args, context]: [readonly unknown[], StreambackContext]): unknown =>
    kind === ARGUMENT ? args[index] : context,
};

/** Finds the methods that carry `@Remote`. */
@Injectable()
export class RemoteExplorer {
  private readonly creator: ExternalContextCreator;

  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
    @Inject(ExternalContextCreator) creator: ExternalContextCreator,
  ) {
    this.creator = Object.assign(Object.create(creator) as ExternalContextCreator, {
      // Its own form cuts an Observable down to its last value.
      transformToResult: (result: unknown) => result,
      externalErrorProxy: quietly(creator),
      createGuardsFn: (...given: Parameters<ExternalContextCreator['createGuardsFn']>) => refusing(creator.createGuardsFn(...given)),
    });
  }

  /** Those of a connection. @throws StreambackConfigError INVALID_OPTION */
  explore(connection: string): RemoteMethod[] {
    // An instance that several tokens or modules provide is found once.
    const seen = new Set<object>();
    return this.discovery.getProviders().flatMap((wrapper) => {
      const instance: unknown = wrapper.instance;
      if (typeof instance !== 'object' || instance === null || seen.has(instance)) return [];
      seen.add(instance);
      const host = instance as Record<string, Method>;
      const names = this.scanner
        .getAllMethodNames((Object.getPrototypeOf(host) as object | null) ?? {})
        .filter((name) => isRemoteOf(connection, host[name]));
      const isMadeOnce = !wrapper.isTransient && wrapper.isDependencyTreeStatic();
      if (names.length === 0 || isMadeOnce) return names.map((name) => this.remoteMethod(host, name));
      throw invalidOption(
        `remote(${wrapper.name})`,
        `'${wrapper.name}' has @Remote methods and is made anew for each request, or for each that injects it`,
        'Move them to a provider of the default scope.',
      );
    });
  }

  private remoteMethod(host: Record<string, Method>, method: string): RemoteMethod {
    const options = remoteOptionsOf(host[method]!)!;
    checkOptions<StreambackRemoteOptions>(options, REMOTE_RULES, `remote(${host.constructor.name}.${method})`);
    const enhancers = { guards: true, interceptors: true, filters: true };
    const call = this.creator.create(
      host,
      noting(host[method]!),
      method,
      REMOTE_PARAMETERS,
      PARAMETERS as never,
      undefined,
      undefined,
      enhancers,
      'rpc',
    );
    return { method, options, call: (args, context) => call(args, context) };
  }
}

function isRemoteOf(connection: string, method: unknown): boolean {
  const options = remoteOptionsOf(method);
  return options !== undefined && (options.connection ?? DEFAULT_CONNECTION) === connection;
}

interface ExceptionsHandler {
  next(error: unknown, host: unknown): unknown;
  /** Nothing where no filter takes the error. */
  invokeCustomFilters(error: unknown, host: unknown): unknown;
}

interface ErrorProxy {
  createProxy(target: unknown, handler: Pick<ExceptionsHandler, 'next'>, type: string): unknown;
}

/** What a method has to say to its caller is no line in the log, as it is none of any other handler. */
function quietly(creator: ExternalContextCreator): ErrorProxy {
  const { externalErrorProxy } = creator as unknown as { readonly externalErrorProxy: ErrorProxy };
  const next = (handler: ExceptionsHandler, error: unknown, host: unknown): unknown => {
    if (!isAnswer(error)) return handler.next(error, host);
    const made = handler.invokeCustomFilters(error, host);
    if (made === undefined || made === null) throw error;
    return made;
  };
  return {
    createProxy: (target, handler, type) =>
      externalErrorProxy.createProxy(target, { next: (error, host) => next(handler as ExceptionsHandler, error, host) }, type),
  };
}

/** What a guard refuses is told to the caller as by any handler of Nest's: it throws an HTTP error here, which would tell nothing. */
function refusing(guard: unknown): ((args: unknown[]) => Promise<void>) | null {
  if (typeof guard !== 'function') return null;
  return async (args) => {
    try {
      await guard(args);
    } catch (error) {
      throw error instanceof ForbiddenException && error.message === FORBIDDEN ? new RpcException(FORBIDDEN) : error;
    }
  };
}
