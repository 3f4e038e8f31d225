import type { CronMessageOptions } from './schedule-options';

const CRON_MESSAGE = Symbol.for('nestjs-streamback:cron-message');

export interface CronMessageMetadata {
  readonly cronTime: string;
  readonly pattern: string | object;
  readonly options: CronMessageOptions;
}

/**
 * Sends what the method returns to a pattern, whenever the expression is due: once for all processes of the group, however many run.
 * `undefined` sends nothing. What was missed while none of them ran is caught up with.
 *
 * @param cronTime five fields (second 0) or six; `CronExpression` has the usual ones. Checked at start.
 * @param pattern as given to `@EventPattern`
 * @throws StreambackConfigError INVALID_SCHEDULE, INVALID_OPTION, INVALID_PATTERN, UNKNOWN_CONNECTION at start
 */
export function CronMessage(cronTime: string, pattern: string | object, options: CronMessageOptions = {}): MethodDecorator {
  return (_target, _name, descriptor) => {
    const method = descriptor.value as object;
    const all = [...cronMessagesOf(method), { cronTime, pattern, options }];
    Reflect.defineMetadata(CRON_MESSAGE, all, method);
  };
}

/** What `@CronMessage` says of a method; nothing of what an instance has put in a method's place. */
export const cronMessagesOf = (method: unknown): readonly CronMessageMetadata[] =>
  typeof method === 'function' ? ((Reflect.getMetadata(CRON_MESSAGE, method) as readonly CronMessageMetadata[] | undefined) ?? []) : [];
