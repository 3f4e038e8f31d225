import type { StreambackLogger } from '../common/logger';
import { isThenable } from '../common/thenable';
import { HookFailures } from './hook-failures';
import type { HookName, LifecycleHooks } from './hooks';

/** A provider that has hooks, and which messages they are for. */
export interface HookOwner<Context, Letter> {
  /** For log lines: its class. */
  readonly name: string;
  readonly hooks: LifecycleHooks<Context, Letter>;
  /** Nothing: all connections. */
  readonly connection?: string | undefined;
  /** Nothing: all patterns. */
  readonly patterns?: ReadonlySet<string> | undefined;
}

type Arguments<Name extends HookName, Context, Letter> = Parameters<NonNullable<LifecycleHooks<Context, Letter>[Name]>>;

/** Calls a hook of all who have it. Never throws, never rejects; a promise where something is to be awaited. */
export type HookCaller<Given extends readonly unknown[]> = (...given: Given) => Promise<void> | undefined;

/** The hooks of an app. Knows no messages: who has something to tell asks for a caller first, once, and has none where nobody listens. */
export class Lifecycle<Context, Letter> {
  private readonly failures = new Map<string, HookFailures>();

  constructor(
    private readonly owners: readonly HookOwner<Context, Letter>[],
    private readonly logger: StreambackLogger,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @param wants whose hooks are meant. @default all */
  caller<Name extends HookName>(
    name: Name,
    wants: (owner: HookOwner<Context, Letter>) => boolean = () => true,
  ): HookCaller<Arguments<Name, Context, Letter>> | undefined {
    return together(this.having(name).flatMap((owner) => (wants(owner) ? [this.callerOf(owner, name)] : [])));
  }

  /** Those that have a hook, for what is not told to all in the same way. */
  having(name: HookName): readonly HookOwner<Context, Letter>[] {
    return this.owners.filter(({ hooks }) => typeof hooks[name] === 'function');
  }

  callerOf<Name extends HookName>(owner: HookOwner<Context, Letter>, name: Name): HookCaller<Arguments<Name, Context, Letter>> {
    const failures = this.failuresOf(`${this.owners.indexOf(owner)} ${name}`, `${owner.name}.${name}`);
    const hooks = owner.hooks as { readonly [Each in HookName]: (...given: Arguments<Name, Context, Letter>) => unknown };
    return (...given) => {
      try {
        const result = hooks[name](...given);
        if (isThenable(result)) return Promise.resolve(result).then(NOTHING, (error: unknown) => failures.add(error));
      } catch (error) {
        failures.add(error);
      }
      return undefined;
    };
  }

  /** A hook fails for all its callers together: there may be one for each pattern. */
  private failuresOf(key: string, hook: string): HookFailures {
    const known = this.failures.get(key) ?? new HookFailures(hook, this.logger, this.now);
    this.failures.set(key, known);
    return known;
  }
}

const NOTHING = (): void => undefined;

/** All are called, and then awaited, side by side: none waits for another. */
function together<Given extends readonly unknown[]>(callers: readonly HookCaller<Given>[]): HookCaller<Given> | undefined {
  if (callers.length < 2) return callers[0];
  return (...given) => {
    let awaited: Promise<void>[] | undefined;
    for (const call of callers) {
      const result = call(...given);
      if (result) (awaited ??= []).push(result);
    }
    return awaited && Promise.all(awaited).then(NOTHING);
  };
}
