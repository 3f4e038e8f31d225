import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import type { StreambackListenerOptions } from '../consumer/listener';
import { getStreambackTransportId } from '../streamback.tokens';

/** How a batch handler takes its messages. */
export interface StreambackBatchOptions extends StreambackListenerOptions {
  /** Messages of a batch at most. @default 100 */
  readonly size?: number | undefined;
  /** How long a message waits for others to fill its batch, in ms. @default 1_000 */
  readonly maxWaitMs?: number | undefined;
  /** The connection's name. @default 'default' */
  readonly connection?: string | undefined;
}

export const DEFAULT_BATCH_OPTIONS = { size: 100, maxWaitMs: 1_000 } as const;

const BATCH = Symbol.for('nestjs-streamback:batch');

/** What `@BatchPattern` says of a handler, by its extras; nothing of others. */
export const batchOptionsOf = (extras: object): StreambackBatchOptions | undefined =>
  (extras as { [BATCH]?: StreambackBatchOptions })[BATCH];

// Nest's own metadata key, which its packages do not export.
const ROUTE_ARGS_METADATA = '__routeArguments__';

/**
 * Has a controller's method handle messages of a pattern many at a time: `(payloads: Line[], batch: StreambackBatchContext)`. To Nest it
 * is one handler whose data is the array, so pipes, guards, interceptors and filters see a batch at once. `concurrency` counts batches.
 * @param pattern or several, each with batches of its own
 * @throws StreambackConfigError INVALID_OPTION, INVALID_PATTERN, UNKNOWN_CONNECTION at start
 */
export function BatchPattern(
  pattern: string | object | readonly (string | object)[],
  options: StreambackBatchOptions = {},
): MethodDecorator {
  const handles = EventPattern<unknown>(pattern, getStreambackTransportId(options.connection), { [BATCH]: options });
  return (target, name, descriptor) => {
    handles(target, name, descriptor);
    // Nest gives a handler whose parameters are not decorated the payload alone.
    if (Reflect.hasMetadata(ROUTE_ARGS_METADATA, target.constructor, name)) return;
    Payload()(target, name, 0);
    Ctx()(target, name, 1);
  };
}
