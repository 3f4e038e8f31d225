import { inspect, isDeepStrictEqual } from 'node:util';
import { checkOptions, invalidOption } from '../common/option-rules';
import type { StreambackListenerOptions } from '../consumer/listener';
import { LISTENER_RULES } from '../streamback.option-rules';

/**
 * How a handler takes its messages: the last argument of `@MessagePattern` and `@EventPattern`. Gives back what it is given; it is
 * there for the types, which Nest's own `Record<string, any>` has not.
 */
export const listener = (options: StreambackListenerOptions): StreambackListenerOptions & Record<string, any> => options;

/**
 * The options of a pattern, of what its handlers say together.
 * @param said what the handlers before this one said; this one's is added
 * @throws StreambackConfigError INVALID_OPTION, for a misspelt one too, and where two handlers of one pattern contradict each other
 */
export function addListenerOptions(pattern: string, said: StreambackListenerOptions, extras: object): StreambackListenerOptions {
  const where = `listener(${pattern})`;
  checkOptions<StreambackListenerOptions>(extras, LISTENER_RULES, where);
  const together: Record<string, unknown> = { ...said };
  for (const [name, value] of Object.entries(extras)) {
    if (value === undefined) continue;
    if (name in together && !isDeepStrictEqual(together[name], value)) {
      throw invalidOption(
        `${where}.${name}`,
        `Two handlers of '${pattern}' say '${name}' differently: ${inspect(together[name])} and ${inspect(value)}`,
        'They share one topic and so their options: say it in one of them.',
      );
    }
    together[name] = value;
  }
  return together;
}
