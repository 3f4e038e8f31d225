import { Inject, Injectable, Logger } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { aName, checkOptions, invalidOption, nearest, type OptionRules } from '../common/option-rules';
import { HOOK_NAMES } from '../lifecycle/hooks';
import { lifecycleOptionsOf, type StreambackLifecycleHooks, type StreambackLifecycleOptions } from './lifecycle.decorator';

/** A provider that carries `@StreambackLifecycle`. */
export interface FoundLifecycle {
  /** Its class. */
  readonly name: string;
  readonly hooks: StreambackLifecycleHooks;
  readonly options: StreambackLifecycleOptions;
}

const aPattern = (value: unknown): boolean => (typeof value === 'string' ? value !== '' : typeof value === 'object' && value !== null);

const RULES: OptionRules<StreambackLifecycleOptions> = {
  patterns: (value) =>
    Array.isArray(value) && value.length > 0 && value.every(aPattern) ? undefined : 'an array of patterns, at least one',
  connection: aName,
};

/** Fewer edits than this make a method's name one that was meant to be a hook's. */
const NEAR = 3;

/** Where the options of a class stand, for errors. */
export const lifecyclePath = (name: string): string => `StreambackLifecycle(${name})`;

/** Finds the providers that carry `@StreambackLifecycle`, of all modules, classes and values alike. */
@Injectable()
export class LifecycleExplorer {
  private readonly logger = new Logger('Streamback:lifecycle');

  constructor(@Inject(ModulesContainer) private readonly modules: ModulesContainer) {}

  /** @throws StreambackConfigError INVALID_OPTION */
  explore(): FoundLifecycle[] {
    const wrappers = [...this.modules.values()].flatMap((module) => [...module.providers.values(), ...module.controllers.values()]);
    // An instance that several tokens or modules provide is found once.
    const seen = new Set<object>();
    return wrappers.flatMap((wrapper) => {
      const instance: unknown = wrapper.instance;
      if (typeof instance !== 'object' || instance === null || seen.has(instance)) return [];
      seen.add(instance);
      const owner = classOf(instance);
      const options = owner && lifecycleOptionsOf(owner);
      if (!owner || !options) return [];
      const { name } = owner;
      checkOptions<StreambackLifecycleOptions>(options, RULES, lifecyclePath(name));
      if (!HOOK_NAMES.some((hook) => typeof (instance as StreambackLifecycleHooks)[hook] === 'function')) {
        throw invalidOption(
          lifecyclePath(name),
          `'${name}' carries @StreambackLifecycle and has none of its hooks`,
          `Give it one of: ${HOOK_NAMES.join(', ')}.`,
        );
      }
      if (wrapper.isTransient || !wrapper.isDependencyTreeStatic()) {
        throw invalidOption(
          lifecyclePath(name),
          `'${name}' carries @StreambackLifecycle and is made anew for each request, or for each that injects it`,
          'Give it the default scope, and all that it injects.',
        );
      }
      this.warnOfMisspelt(name, instance);
      return [{ name, hooks: instance, options }];
    });
  }

  /** No error: a class may have methods of its own, whatever their names. */
  private warnOfMisspelt(name: string, instance: object): void {
    for (const method of methodNames(instance)) {
      const hook = HOOK_NAMES.includes(method as never) ? undefined : nearest(method, HOOK_NAMES, NEAR);
      if (hook !== undefined)
        this.logger.warn(`'${method}' of '${name}' is no hook, so it is never called. Did you mean '${meant(method, hook)}'?`);
    }
  }
}

/** Of hooks that are as near, the one that the name begins. */
const meant = (method: string, near: string): string => HOOK_NAMES.find((hook) => hook.startsWith(method)) ?? near;

/** Those of its classes that begin as hooks do. */
function methodNames(instance: object): Set<string> {
  const names = new Set<string>();
  for (let owner = Object.getPrototypeOf(instance) as object | null; owner; owner = Object.getPrototypeOf(owner) as object | null) {
    for (const each of Object.getOwnPropertyNames(owner)) if (/^on[A-Z]/i.test(each)) names.add(each);
  }
  return names;
}

/** Not by the property: a proxy may answer to any name. */
function classOf(instance: object): { readonly name: string } | undefined {
  const prototype = Object.getPrototypeOf(instance) as { readonly constructor?: unknown } | null;
  return typeof prototype?.constructor === 'function' ? prototype.constructor : undefined;
}
