import type { CronWeekdays } from './cron-times';

/** What is done with slots that were missed because no process of the group was there: the newest is sent, all are, or none. */
export type CatchUp = 'last' | 'all' | 'none';

/** How a schedule is kept. */
export interface CronMessageOptions {
  /** Unique in the group. @default `<Class>.<method>` */
  readonly name?: string | undefined;
  /** An IANA name, as `'Europe/Berlin'`. @default the process's */
  readonly timeZone?: string | undefined;
  /** Whether it is only listed. @default false */
  readonly disabled?: boolean | undefined;
  /** The key of what is sent. @default none */
  readonly key?: string | undefined;
  /** The headers of what is sent. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** For people, in lists. @default none */
  readonly description?: string | undefined;
  /** The connection that sends. @default 'default' */
  readonly connection?: string | undefined;
  /** What is done with slots that were missed. @default 'last' */
  readonly catchUp?: CatchUp | undefined;
  /** How far back missed slots count, in ms. @default 60_000 */
  readonly catchUpMs?: number | undefined;
  /** How the weekday counts: `'cron'`, 0 and 7 are Sunday; `'python'`, 0 is Monday, and it must match beside the day. @default 'cron' */
  readonly weekdays?: CronWeekdays | undefined;
}

/** A schedule as data: for the `schedules` of a connection and for `StreambackScheduleRegistry.add`. */
export interface ScheduleOptions extends CronMessageOptions {
  /** Unique in the group. */
  readonly name: string;
  /** Five fields (second 0) or six; `CronExpression` has the usual ones. */
  readonly cronTime: string;
  /** As given to `@EventPattern`. */
  readonly pattern: string | object;
  /** What is sent, as JSON can hold it. @default {} */
  readonly data?: unknown;
}

/** A schedule as the registry lists it. */
export interface Schedule extends ScheduleOptions {
  /** Where it comes from: a `@CronMessage`, the options of the connection, or `add`. */
  readonly source: 'decorator' | 'options' | 'registry';
  readonly paused: boolean;
  /** The newest slot that was sent; nothing where none was. */
  readonly lastAt?: Date;
  /** When it is due next; nothing while it is paused or disabled. */
  readonly nextAt?: Date;
}
