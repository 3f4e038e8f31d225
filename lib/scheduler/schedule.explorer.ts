import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { StreambackConfigError } from '../common/errors';
import { checkOptions } from '../common/option-rules';
import { cronMessagesOf } from './cron-message.decorator';
import { invalidSchedule } from './schedule-errors';
import { scheduleEntry, type ScheduleEntry } from './schedule-entry';
import { CRON_MESSAGE_RULES, SCHEDULE_RULES } from './schedule-rules';

type Host = Record<string, (...args: unknown[]) => unknown>;

/** Finds the methods that carry `@CronMessage`. */
@Injectable()
export class ScheduleExplorer {
  constructor(
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
  ) {}

  /** @throws StreambackConfigError INVALID_SCHEDULE, INVALID_OPTION, INVALID_PATTERN */
  explore(): ScheduleEntry[] {
    const wrappers = [...this.discovery.getProviders(), ...this.discovery.getControllers()];
    // An instance that several tokens or modules provide is found once.
    const seen = new Set<object>();
    return wrappers.flatMap((wrapper) => {
      const instance: unknown = wrapper.instance;
      if (typeof instance !== 'object' || instance === null || seen.has(instance)) return [];
      seen.add(instance);
      const host = instance as Host;
      const methods = this.scanner.getAllMethodNames((Object.getPrototypeOf(host) as object | null) ?? {});
      const scheduled = methods.filter((name) => cronMessagesOf(host[name]).length > 0);
      const isMadeOnce = !wrapper.isTransient && wrapper.isDependencyTreeStatic();
      if (scheduled.length === 0 || isMadeOnce) return scheduled.flatMap((name) => entriesOf(host, name));
      throw invalidSchedule(`'${wrapper.name}' has @CronMessage methods and is made anew for each request, or for each that injects it`, {
        remedy: 'Move them to a provider of the default scope.',
      });
    });
  }
}

function entriesOf(host: Host, method: string): ScheduleEntry[] {
  const owner = host.constructor.name;
  return cronMessagesOf(host[method]).map(({ cronTime, pattern, options }) => {
    const name = options.name ?? `${owner}.${method}`;
    checkOptions(options, CRON_MESSAGE_RULES, `schedule '${name}'`);
    if (SCHEDULE_RULES.pattern(pattern, 'pattern') !== undefined) {
      throw new StreambackConfigError('INVALID_PATTERN', `@CronMessage of '${owner}.${method}' names no pattern to send to`, {
        remedy: `Give it one, a string or an object: @CronMessage('${cronTime}', 'check_server_status').`,
      });
    }
    return scheduleEntry({ ...options, name, cronTime, pattern }, 'decorator', () => host[method]!.call(host));
  });
}
