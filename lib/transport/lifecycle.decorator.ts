import type { DeadLetter } from '../consumer/dead-letter';
import type { LifecycleHooks } from '../lifecycle/hooks';
import type { StreambackContext } from './streamback.context';

const LIFECYCLE = Symbol.for('nestjs-streamback:lifecycle');

/**
 * What a provider that is marked `@StreambackLifecycle()` may implement; each is optional. One that throws or rejects is logged, and changes
 * nothing for the message or for other hooks.
 */
export type StreambackLifecycleHooks = LifecycleHooks<StreambackContext, DeadLetter>;

/** Which messages hooks are for. */
export interface StreambackLifecycleOptions {
  /** Messages of these patterns, as given to `@MessagePattern`. @default all */
  readonly patterns?: readonly (string | object)[] | undefined;
  /** Those of this connection. @default every connection */
  readonly connection?: string | undefined;
}

type LifecycleClass = abstract new (...args: any[]) => StreambackLifecycleHooks;

/**
 * Has the methods of a provider called that {@link StreambackLifecycleHooks} names, whichever module the provider is of. A method of such a
 * name with other parameters does not compile.
 * @throws StreambackConfigError INVALID_OPTION at start, for a pattern or a connection that is not there, for a class without any hook, and
 *   for one that is made anew for each request
 */
export const StreambackLifecycle =
  (options: StreambackLifecycleOptions = {}) =>
  (target: LifecycleClass): void =>
    Reflect.defineMetadata(LIFECYCLE, options, target);

/** What `@StreambackLifecycle` says of a class, or of one that it extends. */
export const lifecycleOptionsOf = (target: object): StreambackLifecycleOptions | undefined =>
  Reflect.getMetadata(LIFECYCLE, target) as StreambackLifecycleOptions | undefined;
