import { checkOptions } from '../common/option-rules';
import type { StreambackListenerOptions } from '../consumer/listener';
import { LISTENER_RULES } from '../streamback.option-rules';

/**
 * How a handler takes its messages: the last argument of `@MessagePattern` and `@EventPattern`. Gives back what it is given; it is
 * there for the types, which Nest's own `Record<string, any>` has not.
 */
export const listener = (options: StreambackListenerOptions): StreambackListenerOptions & Record<string, any> => options;

/**
 * The options that stand in a handler's extras.
 * @throws StreambackConfigError INVALID_OPTION, for a misspelt one too
 */
export function listenerOptions(
  pattern: string,
  extras: object,
  defaults: Required<StreambackListenerOptions>,
): Required<StreambackListenerOptions> {
  checkOptions<StreambackListenerOptions>(extras, LISTENER_RULES, `listener '${pattern}'`);
  const { concurrency = defaults.concurrency, order = defaults.order } = extras as StreambackListenerOptions;
  return { concurrency, order };
}
