import { Inject, Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { aName, checkOptions, invalidOption, type OptionRules } from '../common/option-rules';
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

/** Where the options of a class stand, for errors. */
export const lifecyclePath = (name: string): string => `StreambackLifecycle(${name})`;

/** Finds the providers that carry `@StreambackLifecycle`, of all modules, classes and values alike. */
@Injectable()
export class LifecycleExplorer {
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
      return [{ name, hooks: instance, options }];
    });
  }
}

/** Not by the property: a proxy may answer to any name. */
function classOf(instance: object): { readonly name: string } | undefined {
  const prototype = Object.getPrototypeOf(instance) as { readonly constructor?: unknown } | null;
  return typeof prototype?.constructor === 'function' ? prototype.constructor : undefined;
}
